package runbook.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Key;
import runbook.sandbox.Traffic.Outcome;

/**
 * Our application: {@code GET /health}, and {@code POST /restart}, at which it reads its key anew from where it is
 * kept. A running application never notices a changed secret by itself: that is what the drill is about.
 */
final class Application {
    private static final Pattern LINE =
            Pattern.compile("\\s*(?:export\\s+)?([A-Za-z_][A-Za-z0-9_]*)\\s*=\\s*(.*?)\\s*");

    private final World world;
    private final AtomicInteger restarts = new AtomicInteger();
    private final AtomicInteger restartsToFail = new AtomicInteger();
    private final AtomicInteger startsToBreak = new AtomicInteger();
    private volatile boolean broken;
    private volatile Supplier<Optional<String>> keySource;

    Application(World world) {
        this.world = world;
        this.keySource = () -> Optional.ofNullable(world.appKey());
    }

    Reply answer(Request request) {
        return switch (request.method() + " " + request.path()) {
            case "GET /health", "HEAD /health" -> health();
            case "POST /restart" -> restart() ? Reply.json(200, java.util.Map.of("restarted", true))
                    : Reply.json(500, java.util.Map.of("restarted", false, "error", "the application did not start"));
            default -> Reply.json(404, java.util.Map.of("error", "not found"));
        };
    }

    private Reply health() {
        if (broken || world.behaviour().appDown()) {
            return Reply.json(
                    503,
                    KlaviyoData.map("status", "down", "klaviyo", "unknown", "error", "worker pool is not running"));
        }
        Outcome now = world.traffic.at(world.clock.millis());
        // A few failing calls do not make an application unhealthy: it queues them. A refused key or a dead API does.
        boolean well = now.status() == 0 || now.share() < 0.6;
        String klaviyo = now.status() == 401 ? "authentication failed (401)" : "calls fail with " + now.status();
        return Reply.json(200, KlaviyoData.map("status", well ? "ok" : "degraded", "klaviyo", well ? "ok" : klaviyo,
                "keyFingerprint", world.appKey() == null ? null : Key.of(world.appKey()).fingerprint(),
                "queued", Math.round(world.traffic.backlog(world.clock.millis())), "restarts", restarts.get()));
    }

    /** Starts anew with the key that its source holds now; false when told to fail. */
    boolean restart() {
        if (restartsToFail.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            return false;
        }
        broken = startsToBreak.getAndUpdate(left -> Math.max(0, left - 1)) > 0;
        world.appKey(keySource.get().orElse(null));
        restarts.incrementAndGet();
        return true;
    }

    void keyFile(Path file, String variable) {
        keySource = () -> readVariable(file, variable);
    }

    void keySource(Supplier<Optional<String>> source) {
        keySource = source;
    }

    void failRestarts(int times) {
        restartsToFail.set(times);
    }

    void breakAfterRestarts(int times) {
        startsToBreak.set(times);
    }

    void broken(boolean now) {
        broken = now;
    }

    int restarts() {
        return restarts.get();
    }

    /** A dotenv file's variable: the last one of that name, unquoted. */
    private static Optional<String> readVariable(Path file, String variable) {
        try {
            return Files.readAllLines(file).stream().map(LINE::matcher).filter(Matcher::matches)
                    .filter(line -> line.group(1).equals(variable)).map(line -> unquoted(line.group(2)))
                    .reduce((earlier, later) -> later);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static String unquoted(String value) {
        boolean quoted = value.length() > 1
                && "\"'".indexOf(value.charAt(0)) >= 0
                && value.charAt(0) == value.charAt(value.length() - 1);
        return quoted ? value.substring(1, value.length() - 1) : value.replaceFirst("\\s+#.*$", "");
    }
}
