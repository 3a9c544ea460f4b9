"""Document 003's protocol by an unmodified python-socketio, both of its clients, on every
transport. Run beside the real program: scripts/with-server python -m unittest.
"""

import asyncio
import unittest

import socketio

from peers import (
    ADMIN,
    TRANSPORTS,
    URL,
    AsyncPeer,
    Line,
    SyncPeer,
    log_in,
    post,
    start_conversation,
)


class AsyncClient(unittest.IsolatedAsyncioTestCase):
    async def peer(self, auth, transports, **options):
        peer = AsyncPeer()
        self.addAsyncCleanup(peer.close)
        peer.identity = await peer.connect(auth, transports, **options)
        return peer

    async def meet(self, transports, **options):
        """A customer and an admin in one conversation."""
        conversation, auth = start_conversation()
        customer = await self.peer(auth, transports, **options)
        admin = await self.peer(ADMIN, transports)
        for peer in (customer, admin):
            ack = await peer.asks("join_conversation", conversation)
            self.assertEqual(ack, {"success": True, "conversationId": conversation})
        return conversation, auth, customer, admin

    async def test_a_customer_and_an_admin_chat_with_acknowledgements(self):
        for name, transports in TRANSPORTS.items():
            with self.subTest(name):
                conversation, _, customer, admin = await self.meet(transports)
                self.assertEqual(customer.identity["role"], "customer")
                self.assertEqual(admin.identity["role"], "admin")
                await customer.hears("joined_conversation")
                said = {"conversationId": conversation, "content": "Hello from Python \U0001f40d"}
                # 003: acceptance 193, 199, 205
                ack = await customer.asks("send_message", said)
                self.assertTrue(ack["success"])
                for peer in (customer, admin):
                    heard = await peer.hears("message_received")
                    self.assertEqual(heard["content"], said["content"])
                    self.assertEqual(heard["messageId"], ack["messageId"])
                    self.assertEqual((heard["seq"], heard["sender"]["role"]), (1, "customer"))
                await admin.asks("message_read", {"conversationId": conversation, "seq": 1})
                await customer.hears("message_status", lambda told: told["status"] == "read")
                page = await admin.asks("history", {"conversationId": conversation})
                self.assertEqual(page["messages"], [heard])

    async def test_a_callback_gets_the_acknowledgement(self):
        conversation, _, customer, _ = await self.meet(["websocket"])
        answered = asyncio.get_running_loop().create_future()
        said = {"conversationId": conversation, "content": "Hello"}
        await customer.socket.emit("send_message", said, callback=answered.set_result)
        self.assertTrue((await asyncio.wait_for(answered, 5))["success"])

    async def test_typing_is_heard_by_the_other_side_and_ended_by_the_server(self):
        async def types(transports):
            conversation, _, customer, admin = await self.meet(transports)
            await customer.socket.emit("typing_start", conversation)
            # 003: acceptance 200, 218
            await admin.hears("typing_indicator", lambda told: told["isTyping"])
            await admin.hears("typing_indicator", lambda told: not told["isTyping"])
            self.assertNotIn("typing_indicator", dict(customer.heard))

        await asyncio.gather(*map(types, TRANSPORTS.values()))

    async def test_a_refusal_is_told_and_the_socket_lives(self):
        conversation, _, customer, _ = await self.meet(["websocket"])
        ack = await customer.asks("send_message", {"conversationId": conversation, "content": " "})
        self.assertEqual((ack["success"], ack["code"]), (False, "invalid"))
        await customer.socket.emit("dance")
        error = await customer.hears("error")
        self.assertEqual((error["code"], error["event"]), ("unknown_type", "dance"))
        await customer.socket.emit("send_message", b"\x01\x02")
        await customer.hears("error", lambda told: told["event"] == "send_message")
        ack = await customer.asks("send_message", {"conversationId": conversation, "content": "!"})
        self.assertTrue(ack["success"])

    async def test_wrong_credentials_are_refused_with_a_reason(self):
        for name, transports in TRANSPORTS.items():
            for auth in ({"token": "garbage"}, {"sessionId": "unknown"}):
                with self.subTest(name, auth=auth):
                    eve = AsyncPeer()
                    refused = asyncio.get_running_loop().create_future()
                    eve.socket.on("connect_error", refused.set_result)
                    with self.assertRaises(socketio.exceptions.ConnectionError):
                        await eve.socket.connect(URL, auth=auth, transports=transports)
                    # 003: acceptance 213, 220
                    reason = await asyncio.wait_for(refused, 5)
                    self.assertEqual(reason["data"], {"code": "unauthorized"})
                    self.assertTrue(reason["message"])
                    await eve.close()

    async def test_the_authenticate_event_lets_in(self):
        conversation, auth = start_conversation()
        peer = AsyncPeer()
        self.addAsyncCleanup(peer.close)
        await peer.socket.connect(URL, transports=["websocket"])
        ack = await peer.asks("authenticate", auth)
        self.assertTrue(ack["success"])
        await peer.hears("authenticated")
        ack = await peer.asks("join_conversation", conversation)
        self.assertTrue(ack["success"])

    async def test_disconnect_and_connect_again(self):
        for name, transports in TRANSPORTS.items():
            with self.subTest(name):
                conversation, auth, customer, admin = await self.meet(transports)
                await customer.socket.disconnect()
                left = await admin.hears(
                    "connection_status_update",
                    lambda told: told.get("event_type") == "user_disconnected",
                )
                # 003: acceptance 217, 222, 249
                self.assertEqual(left["disconnect_reason"], "client_close")
                customer.heard.clear()
                await customer.connect(auth, transports)
                ack = await customer.asks("join_conversation", conversation)
                self.assertTrue(ack["success"])

    async def test_after_a_cut_it_comes_back_with_its_cursor_and_hears_what_it_missed(self):
        for name, transports in TRANSPORTS.items():
            async with Line() as line:
                with self.subTest(name):
                    await self.comes_back(line, transports)

    async def comes_back(self, line, transports):
        conversation, auth = start_conversation()
        customer, admin = AsyncPeer(), await self.peer(ADMIN, transports)
        self.addAsyncCleanup(customer.close)
        cursors = lambda: [data for name, data in customer.heard if name == "cursor"]
        # This client knows no recovery: it says itself how far it has read.
        after = lambda: {"after": cursors()[-1]} if cursors() else {}
        await customer.connect(lambda: {**auth, **after()}, transports, url=line.url)
        await customer.asks("join_conversation", conversation)
        said = lambda content: {"conversationId": conversation, "content": content}
        await customer.asks("send_message", said("before"))
        await customer.hears("message_received")
        await self.read_to_the_end(customer)
        last = cursors()[-1]
        line.cut()
        await customer.hears("disconnect")
        for content in ("missed 1", "missed 2"):
            await admin.asks("send_message", said(content))
        customer.heard[:] = [("cursor", last)]
        line.open()
        # 003: acceptance 172, 227
        await customer.hears("authenticated")
        await customer.asks("join_conversation", conversation)
        await admin.asks("send_message", said("live"))
        await customer.hears("message_received", lambda told: told["content"] == "live")
        self.assertEqual(customer.texts(), ["missed 1", "missed 2", "live"])

    async def test_an_admin_hears_what_an_agent_says_of_itself(self):
        token, dewi = log_in("dewi")
        for name, transports in TRANSPORTS.items():
            with self.subTest(name):
                admin = await self.peer(ADMIN, transports)
                # It is given some of those who wait, and what it is then depends on how many.
                post("/api/agent-status/heartbeat", {"status": "online"}, token)
                # 001: acceptance 101, 102, 118; 003: acceptance 201, 275
                for status in ("away", "busy"):
                    post("/api/agent-status/heartbeat", {"status": status}, token)
                    await self.hears_status(admin, dewi, status)
                post("/api/agent-status/offline", {}, token)
                await self.hears_status(admin, dewi, "offline")

    async def hears_status(self, peer, user, status):
        is_told = lambda told: (told["userId"], told["status"]) == (user, status)
        told = await peer.hears("presence_update", is_told)
        self.assertEqual(set(told), {"userId", "status", "timestamp"})

    async def read_to_the_end(self, peer):
        """The cursor comes right behind what it stands for."""
        async with peer.news:
            is_read = peer.news.wait_for(lambda: peer.heard[-1][0] == "cursor")
            await asyncio.wait_for(is_read, 5)


class SyncClient(unittest.TestCase):
    def test_a_customer_and_an_admin_chat(self):
        for name, transports in TRANSPORTS.items():
            with self.subTest(name):
                conversation, auth = start_conversation()
                customer, admin = SyncPeer(), SyncPeer()
                for peer, credential in ((customer, auth), (admin, ADMIN)):
                    self.addCleanup(peer.socket.disconnect)
                    peer.connect(credential, transports)
                    ack = peer.asks("join_conversation", conversation)
                    self.assertTrue(ack["success"])
                customer.socket.emit("typing_start", conversation)
                admin.hears("typing_indicator", lambda told: told["isTyping"])
                said = {"conversationId": conversation, "content": "Hello"}
                ack = customer.asks("send_message", said)
                for peer in (customer, admin):
                    heard = peer.hears("message_received")
                    self.assertEqual(heard["messageId"], ack["messageId"])
                customer.socket.disconnect()
                admin.hears(
                    "connection_status_update",
                    lambda told: told.get("disconnect_reason") == "client_close",
                )


if __name__ == "__main__":
    unittest.main()
