import java.io.*;
import java.net.*;
import java.nio.channels.*;
import java.nio.charset.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.zip.*;

/** A server on loopback that is broken in one way, whatever it is asked. Below HTTP, where an HTTP server cannot go. */
final class FaultServer implements AutoCloseable {
    private static final int CHUNK = 64 * 1024;
    private static final long GIGABYTE = 1L << 30;
    private static final String JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

    /** What a server does once it has read a request. */
    interface Answer {
        void to(Request request) throws Exception;
    }

    /** What came in: the head as it was sent, and who waits for an answer. */
    record Request(String head, Socket client, FaultServer server) {
        void say(String answer) throws IOException {
            client.getOutputStream().write(answer.getBytes(StandardCharsets.ISO_8859_1));
        }
    }

    private final ServerSocket socket;
    private final List<AutoCloseable> open = new ArrayList<>();
    private final AtomicLong sent = new AtomicLong();
    private final List<String> asked = new CopyOnWriteArrayList<>();
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

    /** First lines of the requests that it read; of a proxy, those that it let through. */
    List<String> asked() {
        return asked;
    }

    /** Bytes of bodies that went out, into the client or its operating system's buffers. */
    long sent() {
        return sent.get();
    }

    /** The server that has a fault, by what is wrong with it. */
    static FaultServer with(String fault) throws IOException {
        FaultServer server = new FaultServer(1);
        switch (fault) {
            case "refused" -> server.bind();
            // Its label is longer than DNS allows.
            case "DNS failure" -> server.authority = "x".repeat(64) + ".invalid";
            case "dead host" -> server.fill();
            default -> {
                server.scheme = fault.contains("TLS") ? "https" : "http";
                Answer answer = answer(fault);
                daemon(() -> server.accept(answer));
            }
        }
        return server;
    }

    /** What is wrong with those that read a request and then misbehave. */
    private static Answer answer(String fault) throws IOException {
        String controls = "\u001b[2J\u001b]0;owned\u0007\u009b31m";
        return switch (fault) {
            case "silence", "TLS handshake without end" -> request -> Thread.sleep(60_000);
            case "https without TLS" -> request -> request.say("HTTP/1.1 400 Bad\r\n\r\n\r\n\r\n");
            case "closed without an answer" -> request -> request.client().close();
            case "reset mid-body" -> cutOff(true);
            case "cut off mid-body" -> cutOff(false);
            case "1 GB body" -> gigabyte("Content-Length: " + GIGABYTE);
            case "1 GB body of untold length" -> gigabyte("Connection: close");
            case "endless headers" -> flood("HTTP/1.1 200 OK\r\n", ("X-More: " + "y".repeat(1_000) + "\r\n").repeat(60)
                    .getBytes(StandardCharsets.US_ASCII), Long.MAX_VALUE);
            case "endless slow body" -> request -> {
                request.say(JSON + "Transfer-Encoding: chunked\r\n\r\n");
                while (true) {
                    request.say("1\r\n \r\n");
                    Thread.sleep(20);
                }
            };
            case "gzip bomb" -> gzipBomb();
            // To itself, further and further.
            case "redirect loop" -> request -> request.say("HTTP/1.1 302 Found\r\nLocation: " + request.server.uri()
                    + "/" + System.nanoTime() + "\r\nContent-Length: 0\r\n\r\n");
            case "HTML with status 200" -> reply(200, "text/html; charset=UTF-8",
                    "<!DOCTYPE html><html><head><title>Welcome to the hotel\u001b[31m</title></head></html>");
            case "malformed JSON" -> reply(200, "application/json", "{\"data\":[{" + controls);
            case "controls in a header" -> lines("HTTP/1.1 403 No", "Cf-Ray: " + controls, "Content-Length: 0", "", "");
            case "controls that HTTP lets by" -> lines("HTTP/1.1 503 \u001b[31mNo", "Cf-Ray: \u009b31m\tray\u0085",
                    "Retry-After: \u009b7", "RateLimit-Limit: \u009b7", "Content-Type: text/html", "Content-Length: 13",
                    "", "<html>\u001b[31m\u0007\u0000");
            case "not HTTP at all" -> lines("SSH-2.0-\u001b[31mOpenSSH", "", "");
            case "broken chunks" -> lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "\u001b[31mzz", "");
            default -> throw new IllegalArgumentException(fault);
        };
    }

    private static Answer lines(String... lines) {
        return request -> request.say(String.join("\r\n", lines));
    }

    /** Listens, and its queue is full: the operating system drops each attempt to connect. */
    private void fill() throws IOException {
        for (int i = 0; i < 4; i++) {
            SocketChannel filler = SocketChannel.open();
            filler.configureBlocking(false);
            filler.connect(socket.getLocalSocketAddress());
            open.add(filler);
        }
    }

    /** A port that is taken and that nobody listens on. */
    private void bind() throws IOException {
        Socket bound = new Socket();
        bound.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        open.add(bound);
        authority = "127.0.0.1:" + bound.getLocalPort();
    }

    private static Answer reply(int status, String type, String body) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        return request -> request.say("HTTP/1.1 " + status + " Whatever\r\nContent-Type: " + type
                + "\r\nContent-Length: " + bytes.length + "\r\n\r\n" + new String(bytes, StandardCharsets.ISO_8859_1));
    }

    /** Breaks the connection, by RST or by FIN, in the middle of a body. */
    private static Answer cutOff(boolean reset) {
        return request -> {
            request.say(JSON + "Content-Length: 5000\r\n\r\n{\"data\":[");
            // Else the reset may overtake the head, and the client sees no answer at all.
            Thread.sleep(50);
            request.client.setSoLinger(reset, 0);
            request.client.close();
        };
    }

    private static Answer gigabyte(String header) {
        byte[] spaces = " ".repeat(CHUNK).getBytes(StandardCharsets.US_ASCII);
        return flood(JSON + header + "\r\n\r\n[", spaces, GIGABYTE / CHUNK);
    }

    /** 100 MB of spaces in 100 kB. */
    private static Answer gzipBomb() throws IOException {
        ByteArrayOutputStream small = new ByteArrayOutputStream();
        try (GZIPOutputStream zip = new GZIPOutputStream(small)) {
            zip.write(" ".repeat(1_600 * CHUNK).getBytes(StandardCharsets.US_ASCII));
        }
        String head = JSON + "Content-Encoding: gzip\r\nContent-Length: " + small.size() + "\r\n\r\n";
        return flood(head, small.toByteArray(), 1);
    }

    private static Answer flood(String head, byte[] part, long times) {
        return request -> {
            request.say(head);
            for (long i = 0; i < times; i++) {
                request.client.getOutputStream().write(part);
                request.server.sent.addAndGet(part.length);
            }
        };
    }

    /**
     * A proxy that opens tunnels ({@code CONNECT}) and passes plain requests on, to whom it lets in.
     *
     * @param login   {@code user:password} that it wants
     * @param refusal the status that it answers to everything, or 0
     */
    static FaultServer proxy(String login, int refusal) {
        String wanted = "Proxy-Authorization: Basic " + Base64.getEncoder().encodeToString(login.getBytes());
        FaultServer server = new FaultServer(1_000);
        Answer answer = request -> {
            String[] line = request.head.lines().findFirst().orElseThrow().split(" ");
            if (refusal != 0 || !request.head.contains(wanted)) {
                request.server.asked.remove(String.join(" ", line));
                request.say("HTTP/1.1 " + (refusal != 0 ? refusal + " Refused" : "407 Proxy Authentication Required\r\n"
                        + "Proxy-Authenticate: Basic realm=\"office\"") + "\r\nContent-Length: 0\r\n\r\n");
                return;
            }
            boolean tunnel = line[0].equals("CONNECT");
            URI target = URI.create(tunnel ? "tunnel://" + line[1] : line[1]);
            try (Socket behind = new Socket(target.getHost(), target.getPort())) {
                if (tunnel) {
                    request.say("HTTP/1.1 200 Connection established\r\n\r\n");
                } else {
                    String path = line[1].replaceFirst("^\\w+://[^/]*", "");
                    behind.getOutputStream().write(request.head.replaceFirst(" \\S+ ", " " + path + " ")
                            .getBytes(StandardCharsets.ISO_8859_1));
                }
                daemon(() -> copy(request.client, behind));
                copy(behind, request.client);
            }
        };
        daemon(() -> server.accept(answer));
        return server;
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
                answer.to(new Request("", client, this));
                return;
            }
            for (String head = head(client.getInputStream()); !head.isEmpty(); head = head(client.getInputStream())) {
                asked.add(head.lines().findFirst().orElse(""));
                answer.to(new Request(head, client, this));
            }
        } catch (Exception e) {
            // The client has left: what it made of it is for the test to see.
        }
    }

    /** Reads up to the empty line, and a body where its length is told; empty at the end. */
    private static String head(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int next = in.read();
            if (next < 0) {
                return "";
            }
            head.append((char) next);
        }
        String length = head.toString().replaceAll("(?is).*\r\ncontent-length: (\\d+).*", "$1");
        in.readNBytes(length.matches("\\d+") ? Integer.parseInt(length) : 0);
        return head.toString();
    }

    private static void copy(Socket from, Socket to) {
        try {
            from.getInputStream().transferTo(to.getOutputStream());
            to.shutdownOutput();
        } catch (IOException e) {
            // One side has left.
        }
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
