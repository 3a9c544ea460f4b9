/** `/widget/websocket-handler.js`: the widget's client as one file, global `WidgetWebSocketHandler`. */
export { WidgetWebSocketHandler as default } from "../socketio/widget.ts";
