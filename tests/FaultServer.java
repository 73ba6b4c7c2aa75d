import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.GZIPOutputStream;

/** A server on loopback that is broken in one way, whatever it is asked. Below HTTP, where an HTTP server cannot go. */
final class FaultServer implements AutoCloseable {
    private static final int CHUNK = 64 * 1024;
    private static final long GIGABYTE = 1L << 30;

    /** What a server does once it has read a request. */
    interface Answer {
        void write(Socket client, FaultServer server) throws Exception;
    }

    private final ServerSocket socket;
    private final List<AutoCloseable> open = new ArrayList<>();
    private final AtomicLong sent = new AtomicLong();
    private final AtomicInteger requests = new AtomicInteger();
    private String scheme = "http";
    private String authority;

    private FaultServer(int backlog) {
        try {
            socket = new ServerSocket(0, backlog, InetAddress.getLoopbackAddress());
            authority = "127.0.0.1:" + socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    URI uri() {
        return URI.create(scheme + "://" + authority);
    }

    /** The same server, called an https one: it speaks no TLS, and answers at once. */
    FaultServer overTls() {
        scheme = "https";
        return this;
    }

    /** Requests read so far. */
    int requests() {
        return requests.get();
    }

    /** Bytes of bodies that went out, into the client or its operating system's buffers. */
    long sent() {
        return sent.get();
    }

    // ---- servers that never come to HTTP

    /** Listens, and its queue is full: the operating system drops each attempt to connect. */
    static FaultServer blackHole() throws IOException {
        FaultServer server = new FaultServer(1);
        for (int i = 0; i < 4; i++) {
            SocketChannel filler = SocketChannel.open();
            filler.configureBlocking(false);
            filler.connect(server.socket.getLocalSocketAddress());
            server.open.add(filler);
        }
        return server;
    }

    /** A port that is taken and that nobody listens on. */
    static FaultServer refusing() throws IOException {
        FaultServer server = new FaultServer(1);
        Socket bound = new Socket();
        bound.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        server.open.add(bound);
        server.authority = "127.0.0.1:" + bound.getLocalPort();
        return server;
    }

    /** A name that no resolver looks up: its label is longer than DNS allows. */
    static FaultServer withoutAddress() {
        FaultServer server = new FaultServer(1);
        server.authority = "x".repeat(64) + ".invalid";
        return server;
    }

    // ---- servers that read a request and then misbehave

    static FaultServer answering(Answer answer) {
        FaultServer server = new FaultServer(1_000);
        daemon(() -> server.accept(answer));
        return server;
    }

    /** The whole answer as it stands: head, empty line, body. */
    static Answer verbatim(String answer) {
        return (client, server) -> client.getOutputStream().write(answer.getBytes(StandardCharsets.ISO_8859_1));
    }

    static Answer html(int status) {
        return reply(status, "text/html; charset=UTF-8",
                "<!DOCTYPE html><html><head><title>Welcome to the hotel\u001b[31m</title></head></html>");
    }

    static Answer reply(int status, String type, String body) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        return verbatim("HTTP/1.1 " + status + " Whatever\r\nContent-Type: " + type + "\r\nContent-Length: "
                + bytes.length + "\r\n\r\n" + new String(bytes, StandardCharsets.ISO_8859_1));
    }

    /** Answers with a redirect to itself, further and further. */
    static Answer redirectLoop() {
        return (client, server) -> verbatim("HTTP/1.1 302 Found\r\nLocation: " + server.uri() + "/" + System.nanoTime()
            + "\r\nContent-Length: 0\r\n\r\n").write(client, server);
    }

    /** Breaks the connection, by RST or by FIN, in the middle of a body. */
    static Answer cutOff(boolean reset) {
        return (client, server) -> {
            verbatim("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"data\":[")
                    .write(client, server);
            client.getOutputStream().flush();
            // Else the reset may overtake the head, and the client sees no answer at all.
            Thread.sleep(50);
            client.setSoLinger(reset, 0);
            client.close();
        };
    }

    static Answer endlessSlowBody() {
        return (client, server) -> {
            verbatim("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                    .write(client, server);
            while (true) {
                verbatim("1\r\n \r\n").write(client, server);
                Thread.sleep(20);
            }
        };
    }

    /** A gigabyte of JSON, its length told beforehand or not. */
    static Answer gigabyte(boolean told) {
        return (client, server) -> {
            verbatim("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                + (told ? "Content-Length: " + GIGABYTE : "Connection: close") + "\r\n\r\n[").write(client, server);
            byte[] chunk = " ".repeat(CHUNK).getBytes(StandardCharsets.US_ASCII);
            for (long left = GIGABYTE; left > 0; left -= CHUNK) {
                client.getOutputStream().write(chunk);
                server.sent.addAndGet(CHUNK);
            }
        };
    }

    /** 100 MB of spaces in 100 kB. */
    static Answer gzipBomb() throws IOException {
        ByteArrayOutputStream small = new ByteArrayOutputStream();
        try (GZIPOutputStream zip = new GZIPOutputStream(small)) {
            byte[] chunk = " ".repeat(CHUNK).getBytes(StandardCharsets.US_ASCII);
            for (int i = 0; i < 1_600; i++) {
                zip.write(chunk);
            }
        }
        return (client, server) -> {
            verbatim("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: "
                            + small.size() + "\r\n\r\n")
                    .write(client, server);
            client.getOutputStream().write(small.toByteArray());
        };
    }

    /** Headers without end, as fast as they are read. */
    static Answer endlessHeaders() {
        return (client, server) -> {
            byte[] lines = ("X-More: " + "y".repeat(1_000) + "\r\n").repeat(60).getBytes(StandardCharsets.US_ASCII);
            verbatim("HTTP/1.1 200 OK\r\n").write(client, server);
            while (true) {
                client.getOutputStream().write(lines);
                server.sent.addAndGet(lines.length);
            }
        };
    }

    // ---- sockets

    private void accept(Answer answer) {
        while (!socket.isClosed()) {
            try {
                Socket client = socket.accept();
                daemon(() -> serve(client, answer));
            } catch (IOException e) {
                // Closed by the test, or this one client is gone.
            }
        }
    }

    private void serve(Socket client, Answer answer) {
        try (client) {
            client.setTcpNoDelay(true);
            if (scheme.equals("https")) {
                answer.write(client, this);
                return;
            }
            while (readRequest(client.getInputStream())) {
                requests.incrementAndGet();
                answer.write(client, this);
            }
        } catch (Exception e) {
            // The client has left: what it made of it is for the test to see.
        }
    }

    /** Reads up to the empty line, and a body where its length is told. */
    private static boolean readRequest(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int next = in.read();
            if (next < 0) {
                return false;
            }
            head.append((char) next);
        }
        String length = head.toString().replaceAll("(?is).*\r\ncontent-length: (\\d+).*", "$1");
        in.readNBytes(length.matches("\\d+") ? Integer.parseInt(length) : 0);
        return true;
    }

    private static void daemon(Runnable work) {
        Thread thread = new Thread(work, "fault");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws Exception {
        socket.close();
        for (AutoCloseable each : open) {
            each.close();
        }
    }
}
