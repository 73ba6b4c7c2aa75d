package runbook.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import runbook.Settings.Problem;

/**
 * A child process whose standard output is evidence. It is started from a list of words, never by a shell; it does not inherit
 * our key; it ends with us, its own children too.
 */
final class Child implements Sink.Ending, AutoCloseable {
    private static final int STDERR_KEPT = 4_000;

    private final List<String> words;
    private final Process process;
    private final Sink sink;
    private final long start = System.nanoTime();
    private final StringBuffer errors = new StringBuffer();
    private final Thread listener;

    /** Starts it. {@code merged} puts its standard error into its output, where a tool logs to both. */
    Child(Sink sink, List<String> words, boolean merged) throws IOException {
        this.sink = sink;
        this.words = words;
        ProcessBuilder builder = new ProcessBuilder(words).redirectErrorStream(merged);
        builder.redirectInput(ProcessBuilder.Redirect.from(
                new java.io.File(System.getProperty("os.name").startsWith("Windows") ? "NUL" : "/dev/null")));
        builder.environment().keySet().removeIf(name -> name.startsWith("KLAVIYO_"));
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new IOException(words.get(0) + " cannot be started: is it installed, and on the PATH?");
        }
        listener = new Thread(this::listen, "stderr");
        listener.setDaemon(true);
        listener.start();
    }

    private void listen() {
        byte[] buffer = new byte[4_096];
        try (InputStream stream = process.getErrorStream()) {
            for (int read = stream.read(buffer); read >= 0; read = stream.read(buffer)) {
                if (errors.length() < STDERR_KEPT) {
                    errors.append(new String(buffer, 0, read, StandardCharsets.UTF_8));
                }
            }
        } catch (IOException e) {
            errors.append(" (its standard error broke off)");
        }
    }

    InputStream output() {
        return process.getInputStream();
    }

    /** Waits a little for its end, and tells how it came about. */
    @Override
    public Item.Origin origin() throws IOException {
        Integer exit = null;
        try {
            exit = process.waitFor(2, TimeUnit.SECONDS) ? process.exitValue() : null;
            listener.join(500);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return new Item.Origin(
                words.stream().map(sink::clean).toList(),
                exit,
                sink.clean(errors.toString()),
                TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    }

    /** Its whole output, for tools that list things; a failure when it ends with anything but 0. */
    static String read(Sink sink, List<String> words) throws IOException {
        try (Child child = sink.start(words, false)) {
            String output = new String(child.output().readNBytes(16 << 20), StandardCharsets.UTF_8);
            Item.Origin origin = child.origin();
            if (origin.exitCode() == null || origin.exitCode() != 0) {
                throw new Problem(
                        Problem.USAGE,
                        words.get(0) + " ended with exit code " + origin.exitCode() + ": " + origin.stderr());
            }
            return output;
        }
    }

    @Override
    public void close() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }
}
