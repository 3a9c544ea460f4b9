// The server that the Socket.IO figures of Switchboard are compared with: a chat room as its users
// would write it on the library `socket.io`, with the events that the load generator needs. It has
// no history, no receipts, no presence and no storage; what it acknowledges is in memory only, and
// a restart forgets everything. It knows nothing of Switchboard but the shapes of the events.
//
// JWT_SECRET is what tokens (HS256) are signed with.

import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const secret = process.env.JWT_SECRET;
if (!secret) {
  console.error("server.mjs: JWT_SECRET is missing");
  process.exit(2);
}

/** The claims of a token, or an error for one that does not hold. */
function verify(token) {
  const [head, claims, signature] = String(token).split(".");
  const expected = createHmac("sha256", secret).update(`${head}.${claims}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Error("the token's signature does not fit");
  }
  const read = JSON.parse(Buffer.from(claims, "base64url").toString());
  if (!(read.exp * 1000 > Date.now())) throw new Error("the token has expired");
  return read;
}

const http = createServer();
const io = new Server(http, { serveClient: false });
/** The number of the latest message of each conversation. */
const lastSeqs = new Map();

io.use((socket, next) => {
  try {
    const { sub: userId, role, conversations } = verify(socket.handshake.auth.token);
    socket.data = { sender: { userId, role, userType: role }, conversations };
    next();
  } catch (error) {
    next(error);
  }
});

io.on("connection", (socket) => {
  const { sender, conversations } = socket.data;
  const mayJoin = (id) => sender.role !== "customer" || conversations.includes(id);

  socket.on("join_conversation", (conversationId, ack) => {
    if (!mayJoin(conversationId)) {
      ack?.({ success: false, error: "this conversation is not yours", code: "forbidden" });
      return;
    }
    socket.join(conversationId);
    socket.emit("joined_conversation", { conversationId });
    ack?.({ success: true, conversationId });
  });

  socket.on("send_message", ({ conversationId, content, clientId }, ack) => {
    if (!socket.rooms.has(conversationId)) {
      ack?.({ success: false, error: "join the conversation first", code: "forbidden" });
      return;
    }
    const seq = (lastSeqs.get(conversationId) ?? 0) + 1;
    lastSeqs.set(conversationId, seq);
    const messageId = randomUUID();
    const timestamp = new Date().toISOString();
    const message = { conversationId, content, sender, timestamp, messageId, seq, clientId };
    io.to(conversationId).emit("message_received", message);
    ack?.({ success: true, messageId, seq, timestamp });
  });

  socket.emit("authenticated", sender);
});

http.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}/`);
});
