import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** A proxy on loopback that opens tunnels ({@code CONNECT}) and passes plain requests on, to whom it lets in. */
final class ProxyServer implements AutoCloseable {
    private final ServerSocket socket;
    private final String login;
    private final int refusal;
    private final List<String> asked = new CopyOnWriteArrayList<>();

    /**
     * Starts it.
     *
     * @param login   {@code user:password} that it wants, or null
     * @param refusal the status that it answers to everything, or 0
     */
    ProxyServer(String login, int refusal) {
        this.login = login;
        this.refusal = refusal;
        try {
            socket = new ServerSocket(0, 100, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        daemon(this::accept);
    }

    String address() {
        return "127.0.0.1:" + socket.getLocalPort();
    }

    /** First lines of the requests that it let through. */
    List<String> asked() {
        return asked;
    }

    private void accept() {
        while (!socket.isClosed()) {
            try {
                Socket client = socket.accept();
                daemon(() -> serve(client));
            } catch (IOException e) {
                // Closed by the test.
            }
        }
    }

    private void serve(Socket client) {
        try (client) {
            String head = head(client.getInputStream());
            if (refusal != 0 || !knows(head)) {
                String status = refusal != 0 ? refusal + " Refused"
                        : "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"office\"";
                client.getOutputStream().write(("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n")
                                .getBytes(StandardCharsets.ISO_8859_1));
                return;
            }
            String line = head.lines().findFirst().orElse("");
            asked.add(line);
            URI target = URI.create(line.startsWith("CONNECT") ? "tunnel://" + line.split(" ")[1] : line.split(" ")[1]);
            try (Socket server = new Socket(target.getHost(), target.getPort())) {
                if (line.startsWith("CONNECT")) {
                    client.getOutputStream()
                            .write("HTTP/1.1 200 Connection established\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1));
                } else {
                    String path =
                            target.getRawPath() + (target.getRawQuery() == null ? "" : "?" + target.getRawQuery());
                    server.getOutputStream().write((head.replaceFirst(" \\S+ ", " " + path + " "))
                                    .getBytes(StandardCharsets.ISO_8859_1));
                }
                daemon(() -> copy(client, server));
                copy(server, client);
            }
        } catch (IOException e) {
            // One side has left.
        }
    }

    private boolean knows(String head) {
        return login == null || head.contains("Proxy-Authorization: Basic "
                        + Base64.getEncoder().encodeToString(login.getBytes(StandardCharsets.UTF_8)));
    }

    private static String head(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        for (int next = in.read(); next >= 0; next = in.read()) {
            head.append((char) next);
            if (head.indexOf("\r\n\r\n") >= 0) {
                break;
            }
        }
        return head.toString();
    }

    private static void copy(Socket from, Socket to) {
        try {
            OutputStream out = to.getOutputStream();
            from.getInputStream().transferTo(out);
            to.shutdownOutput();
        } catch (IOException e) {
            // One side has left.
        }
    }

    private static void daemon(Runnable work) {
        Thread thread = new Thread(work, "proxy");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
