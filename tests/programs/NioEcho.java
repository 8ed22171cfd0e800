// SPDX-License-Identifier: BSD-2-Clause
//
// NioEcho server ADDRESS PORT | client ADDRESS PORT CONNECTIONS BYTES
// Java NIO: a selector with non-blocking channels echoes; the client drives all its
// connections from one selector too, sends BYTES of a known pattern over each, compares
// what returns, and prints facts for the test.
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Iterator;

public class NioEcho {
	static final class State {
		final ByteBuffer buf = ByteBuffer.allocateDirect(16384);
		int seed;
		long sent, got;
		boolean ended;
	}

	static byte pattern(int seed, long at) {
		return (byte) (seed * 31 + at * 7 + (at >> 8));
	}

	static void echo(SelectionKey k) throws Exception {
		SocketChannel c = (SocketChannel) k.channel();
		State s = (State) k.attachment();

		if (k.isReadable() && s.buf.hasRemaining() && c.read(s.buf) < 0)
			s.ended = true;
		s.buf.flip();
		if (s.buf.hasRemaining())
			c.write(s.buf);
		boolean left = s.buf.hasRemaining();
		s.buf.compact();
		if (s.ended && !left) {
			c.close();
			return;
		}
		k.interestOps((s.buf.hasRemaining() && !s.ended ? SelectionKey.OP_READ : 0)
			| (left ? SelectionKey.OP_WRITE : 0));
	}

	static void serve(InetSocketAddress a) throws Exception {
		Selector sel = Selector.open();
		ServerSocketChannel l = ServerSocketChannel.open();

		l.bind(a, 256);
		l.configureBlocking(false);
		l.register(sel, SelectionKey.OP_ACCEPT);
		for (;;) {
			sel.select();
			for (Iterator<SelectionKey> i = sel.selectedKeys().iterator(); i.hasNext();) {
				SelectionKey k = i.next();
				i.remove();
				if (k.isAcceptable()) {
					SocketChannel c = l.accept();
					if (c == null)
						continue;
					c.configureBlocking(false);
					c.register(sel, SelectionKey.OP_READ, new State());
				} else if (k.isValid()) {
					echo(k);
				}
			}
		}
	}

	static void drive(SelectionKey k, long bytes, ByteBuffer out) throws Exception {
		SocketChannel c = (SocketChannel) k.channel();
		State s = (State) k.attachment();

		if (k.isConnectable() && c.finishConnect())
			k.interestOps(SelectionKey.OP_READ | SelectionKey.OP_WRITE);
		if (k.isWritable()) {
			out.clear();
			while (out.hasRemaining() && s.sent + out.position() < bytes)
				out.put(pattern(s.seed, s.sent + out.position()));
			out.flip();
			s.sent += c.write(out);
			if (s.sent == bytes) {
				c.shutdownOutput();
				k.interestOps(SelectionKey.OP_READ);
			}
		}
		if (k.isReadable()) {
			s.buf.clear();
			int n = c.read(s.buf);
			s.buf.flip();
			for (int i = 0; i < n; i++)
				if (s.buf.get(i) != pattern(s.seed, s.got + i))
					throw new Exception("wrong byte at " + (s.got + i));
			if (n > 0)
				s.got += n;
			if (n < 0) {
				s.ended = true;
				c.close();
			}
		}
	}

	static void client(InetSocketAddress a, int conns, long bytes) throws Exception {
		Selector sel = Selector.open();
		ByteBuffer out = ByteBuffer.allocateDirect(8192);
		State[] all = new State[conns];
		long start = System.nanoTime(), total = 0;
		int open = conns;

		for (int i = 0; i < conns; i++) {
			SocketChannel c = SocketChannel.open();
			c.configureBlocking(false);
			all[i] = new State();
			all[i].seed = i;
			boolean done = c.connect(a);
			c.register(sel, done ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_CONNECT, all[i]);
		}
		while (open > 0) {
			if (sel.select(10000) == 0)
				throw new Exception("nothing happened for ten seconds");
			for (Iterator<SelectionKey> i = sel.selectedKeys().iterator(); i.hasNext();) {
				SelectionKey k = i.next();
				i.remove();
				drive(k, bytes, out);
				if (((State) k.attachment()).ended)
					open--;
			}
		}
		for (State s : all)
			total += s.got;
		System.out.println("= bytes " + total);
		System.out.println("~ MB/s " + total * 1000 / (System.nanoTime() - start));
	}

	public static void main(String[] s) throws Exception {
		InetSocketAddress a = new InetSocketAddress(s[1], Integer.parseInt(s[2]));

		if (s[0].equals("server"))
			serve(a);
		else
			client(a, Integer.parseInt(s[3]), Long.parseLong(s[4]));
	}
}
