/** `/admin/websocket-client.js`: the dashboard's client as one file, global `adminWebSocket`. */
export { default } from "../socketio/admin.ts";
