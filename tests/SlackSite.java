import java.net.URI;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import runbook.Text.Json;

/** A Slack incoming webhook that keeps what it took, and refuses as often as told. */
final class SlackSite implements AutoCloseable {
    private static final String PATH = "/services/T0DRILL/B0DRILL/a1B2c3D4e5F6g7H8i9J0k1L2";
    private final List<String> posts = new CopyOnWriteArrayList<>();
    private final AtomicInteger failures = new AtomicInteger();
    private final LoopbackServer server = new LoopbackServer(request -> {
        if (!request.header("content-type").startsWith("application/json")) {
            return new LoopbackServer.Response(400, "invalid_payload");
        } else if (!request.path().equals(PATH) || failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            return new LoopbackServer.Response(request.path().equals(PATH) ? 500 : 404, "rollup_error");
        }
        posts.add(Json.read(request.body()).path("text").asText());
        return new LoopbackServer.Response(200, "ok");
    });

    /** Its address, whole: a secret, as its path lets anybody post. */
    URI uri() {
        return URI.create(server.url() + PATH);
    }

    /** The texts of the messages that it has taken, oldest first. */
    List<String> posts() {
        return List.copyOf(posts);
    }

    /** Makes it refuse the next posts with a 500. */
    void fail(int times) {
        failures.set(times);
    }

    @Override
    public void close() {
        server.close();
    }
}
