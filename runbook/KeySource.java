package runbook;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import runbook.Settings.Problem;

/** Where a private key comes from: a file, standard input, a command's output, or an environment variable. */
public final class KeySource {
    private static final int LONGEST = 4_096;

    private KeySource() { }

    /**
     * Reads a key from the first of these that is given.
     *
     * @param host     where standard input, variables and files are
     * @param option   how the options are called on the command line, for messages: {@code --key}, {@code --new-key}
     * @param file     a file, {@code -} for standard input, or null
     * @param command  a command run by the shell, or null
     * @param variable the environment variable to fall back on
     * @return the key as it stands there, less one line end; empty when nothing is given
     * @throws Problem when file or command give nothing that could be a key
     */
    public static Optional<Key> read(Cli.Host host, String option, String file, String command, String variable) {
        if (file != null && command != null) {
            throw new Problem(option + "-file and " + option + "-command exclude each other: give one");
        }
        if (file != null) {
            return Optional.of(fromFile(host, option, file));
        }
        return command != null
                ? Optional.of(fromCommand(option, command))
                : host.env(variable).map(Key::of);
    }

    private static Key fromFile(Cli.Host host, String option, String file) {
        try (InputStream input = file.equals("-") ? host.in() : Files.newInputStream(host.path(file))) {
            return fromBytes(option + "-file", input.readNBytes(LONGEST + 1));
        } catch (IOException e) {
            throw new Problem(option + "-file cannot be read: " + Incident.why(e));
        }
    }

    private static Key fromCommand(String option, String command) {
        try {
            // The command's own complaints go to the person; only its standard output is the key.
            ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-c", command)
                    .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .redirectError(ProcessBuilder.Redirect.INHERIT);
            // It is to bring a key, not to be given one.
            builder.environment().keySet().removeAll(List.of("KLAVIYO_PRIVATE_KEY", "KLAVIYO_NEW_PRIVATE_KEY"));
            Process process = builder.start();
            Thread killer = new Thread(() -> killAfterAMinute(process));
            killer.setDaemon(true);
            killer.start();
            byte[] output = process.getInputStream().readNBytes(LONGEST + 1);
            int exit = process.waitFor();
            if (exit != 0) {
                throw new Problem(option + "-command ended with exit code " + exit + ": run it by hand to see why");
            }
            return fromBytes(option + "-command", output);
        } catch (IOException e) {
            throw new Problem(option + "-command cannot be run: " + Incident.why(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Problem(option + "-command was interrupted");
        }
    }

    private static void killAfterAMinute(Process process) {
        try {
            if (!process.waitFor(1, TimeUnit.MINUTES)) {
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Key fromBytes(String option, byte[] bytes) {
        if (bytes.length > LONGEST) {
            throw new Problem(option + " gave more than " + LONGEST + " bytes: that is no key");
        }
        String text = new String(bytes, StandardCharsets.UTF_8).replaceFirst("\\r?\\n$", "");
        if (text.isEmpty()) {
            throw new Problem(option + " gave nothing: it has to hold the private key");
        }
        return Key.of(text);
    }
}
