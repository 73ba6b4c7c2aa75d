package runbook;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Settings.Problem;

/**
 * A Klaviyo private key as somebody gave it, which may not be one. Its value leaves this class only through
 * {@link #reveal()}; everything that prints it shows its kind, length and fingerprint.
 */
public final class Key {
    // The forms known to TruffleHog's Klaviyo detector: older keys, and newer ones with the public site id inside.
    private static final Pattern OLDER = Pattern.compile("pk_[0-9a-f]{34}");
    private static final Pattern NEWER = Pattern.compile("pk_[A-Za-z0-9]{6}_[0-9a-f]{34}");
    private static final Pattern PUBLIC = Pattern.compile("[A-Za-z0-9]{6}");
    // Looser than the forms above: what looks like a key must never be shown, whatever its case and the typing error in it.
    private static final Pattern MASKED = Pattern.compile("(?i)pk_[a-z0-9_]{8,}");

    private record Fault(Pattern when, String says) { }

    private static final List<Fault> FAULTS = List.of(
            new Fault(Pattern.compile("(?s)\\s*"), "it is empty"),
            new Fault(Pattern.compile("(?s).*[\\r\\n].*"), "it contains a line break: store it without one (echo -n)"),
            new Fault(Pattern.compile("(?s)(\\s.*|.*\\s)"), "it has white space around it"),
            new Fault(
                    Pattern.compile("(?s)\\s*[\"'`].*|.*[\"'`]\\s*"),
                    "it has quotes around it: they were stored as part of it"),
            new Fault(
                    Pattern.compile("(?is)\\W*bearer\\s.*"),
                    "it starts with 'Bearer': Klaviyo's scheme is Klaviyo-API-Key, and the variable holds the key"
                            + " alone"),
            new Fault(
                    Pattern.compile("(?is)\\W*(authorization:|klaviyo-api-key\\s).*"),
                    "it is a whole header: keep only the part that starts with pk_"),
            new Fault(PUBLIC, "it is a public key (site id, 6 characters): private keys start with pk_"),
            new Fault(Pattern.compile("(?s).*\\S\\s+\\S.*"), "it has white space inside"),
            new Fault(Pattern.compile("(?s).*[^\\x21-\\x7e\\s].*"), "it has characters that no header can carry"));

    private final String raw;

    private Key(String raw) {
        this.raw = raw;
    }

    /** The key as given, not judged. */
    public static Key of(String raw) {
        return new Key(raw);
    }

    /** What is wrong with its form, each in words that complete "the key is unfit: …"; empty when it can be sent. */
    public List<String> faults() {
        return FAULTS.stream().filter(fault -> fault.when.matcher(raw).matches()).map(Fault::says)
                .limit(raw.isBlank() ? 1 : FAULTS.size()).toList();
    }

    /** The key without what is commonly pasted around it (quotes, white space, scheme), so that it can be tried all the same. */
    public Key cleaned() {
        Matcher inside = Pattern.compile("pk_[A-Za-z0-9_]+").matcher(raw);
        return inside.find() ? new Key(inside.group()) : new Key(raw.replaceAll("[^\\x21-\\x7e]", ""));
    }

    /** Whether it has one of the two published forms. A key that does not may still work: forms have changed before. */
    public boolean known() {
        return OLDER.matcher(raw).matches() || NEWER.matcher(raw).matches();
    }

    /** {@code older form}, {@code newer form}, {@code public key} or {@code unknown form}. */
    public String kind() {
        if (OLDER.matcher(raw).matches()) {
            return "older form";
        }
        if (NEWER.matcher(raw).matches()) {
            return "newer form";
        }
        return PUBLIC.matcher(raw).matches() ? "public key" : "unknown form";
    }

    /** The first 8 hex digits of the SHA-256 of its bytes: enough to tell keys apart, useless to guess one. */
    public String fingerprint() {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(raw.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 4);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /** Kind, length and fingerprint: {@code newer form, 44 characters, sha256 3f9a2c1b}. */
    public String describe() {
        return kind() + ", " + Text.count(raw.length(), "character") + ", sha256 " + fingerprint();
    }

    /** The value itself. For a request header or a child's standard input; never for anything a person or a file sees. */
    public String reveal() {
        return raw;
    }

    /** The text with everything that looks like a private key masked. */
    public static String mask(String text) {
        return text.contains("pk_") || text.contains("PK_") ? MASKED.matcher(text).replaceAll("pk_[masked]") : text;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Key key
                && MessageDigest.isEqual(
                        raw.getBytes(StandardCharsets.UTF_8), key.raw.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public int hashCode() {
        return raw.hashCode();
    }

    @Override
    public String toString() {
        return "key (" + describe() + ")";
    }

    // ---- where it comes from

    private static final int LONGEST = 4_096;

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
