package runbook;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Settings.Problem;
import runbook.Text.Json;
import runbook.redact.*;

/**
 * A Klaviyo private key as somebody gave it, which may not be one, or the access token of an OAuth app, which expires
 * and is refreshed, and is nothing to rotate. Its value leaves this class only through {@link #reveal()}, for a child's
 * standard input, and {@link #authorization()}; everything that prints it shows its kind, length and fingerprint. What
 * the application sends is the value as it is stored: a key that works only {@link #cleaned()} is not fine.
 */
public record Key(String reveal, boolean token) {
    // The forms known to TruffleHog's Klaviyo detector: older keys, and newer ones with the public site id inside.
    private static final Pattern OLDER = Pattern.compile("pk_[0-9a-f]{34}");
    private static final Pattern NEWER = Pattern.compile("pk_([A-Za-z0-9]{6})_[0-9a-f]{34}");
    private static final Pattern LIKELY = Pattern.compile(NEWER + "|" + OLDER + "|pk_[A-Za-z0-9_]+");
    private static final Pattern PUBLIC = Pattern.compile("[A-Za-z0-9]{6}");
    private static final Pattern BEARER = Pattern.compile("(?is)\\W*(?:authorization:\\s*)?bearer\\s+(?!\\W*pk_)(.*)");
    // Looser than those: what looks like a key must never be shown, whatever its case and the typing error in it.
    private static final Pattern MASKED = Pattern.compile("(?i)pk_[a-z0-9_]{8,}");
    private static final Pattern ARGUMENT = Pattern.compile("(?i)(?<![a-z0-9])pk_[a-z0-9_]{24,}");
    private static final int LONGEST = 4_096;
    private static final int LONGEST_FILE = 1 << 20;
    private static final int SHORTEST_TOKEN = 16;
    private static final Duration COMMAND = Duration.ofMinutes(1);
    /** Tokens have no form by which they could be recognised: those that were given are remembered, to be masked. */
    private static final Set<String> TOKENS = ConcurrentHashMap.newKeySet();

    /** How it is seen, case aside, that something is wrong with a key, and what. */
    private static final String[][] FAULTS = {{"\\s*", "it is empty"},
        {"(?=.*\\S).*[\\r\\n].*", "it contains a line break: store it without one (echo -n)"},
        {"\\s.*\\S.*|.*\\S.*\\s", "it has white space around it"},
        {"\\s*[\"'`].*|.*[\"'`]\\s*", "it has quotes around it: they were stored as part of it"},
        {"\\W*bearer\\s.*", "it starts with 'Bearer': Klaviyo's scheme for private keys is Klaviyo-API-Key, and the"
            + " variable holds the key alone"},
        {"\\W*(authorization:|klaviyo-api-key\\s).*", "it is a whole header: keep only the part that starts with pk_"},
        {"\\W*(export\\s+)?[a-z_][a-z0-9_]*=.*pk_.*", "it is a whole assignment: keep only the part after the ="},
        {PUBLIC.pattern(), "it is a public key (site id, 6 characters): private keys start with pk_"},
        {".*\\S\\s+\\S.*", "it has white space inside"},
        {".*[^\\x21-\\x7e\\s].*", "it has characters that no header can carry"},
        {"pk_([a-z0-9]{6}_)?[0-9a-f]{34}", "it has capital letters where keys have none"},
        {"(?-i)[!-~&&[^\"'`=:]]*(" + OLDER + "|" + NEWER + ")[!-~&&[^\"'`=:]]*",
            "it has characters before or after it that are not part of the key"}};

    /** As given, not judged. What begins with {@code Bearer} and is no private key is an access token. */
    public Key {
        token = token || BEARER.matcher(reveal).matches();
        if (token && bare(reveal).length() >= SHORTEST_TOKEN) {
            TOKENS.add(bare(reveal));
        }
    }

    /** What was given for a private key, not judged. */
    public static Key of(String raw) {
        return new Key(raw, false);
    }

    /** What was given for an access token; a private key all the same where {@code pk_} is in it. */
    public static Key token(String raw) {
        return new Key(raw, !raw.contains("pk_"));
    }

    // ---- what it is

    /** What is wrong with its form, each in words that complete "the key is unfit: …"; empty when it can be sent. */
    public List<String> faults() {
        String judged = token ? BEARER.matcher(reveal).replaceFirst("$1") : reveal;
        return known() ? List.of() : Stream.of(FAULTS).filter(fault -> judged.matches("(?is)" + fault[0]))
                .map(fault -> fault[1]).toList();
    }

    /** The key without what is commonly pasted around it (quotes, white space, scheme), to be tried all the same. */
    public Key cleaned() {
        Matcher inside = LIKELY.matcher(reveal);
        if (token || known()) {
            return token ? new Key(bare(reveal), true) : this;
        }
        return of(inside.find() ? inside.group() : reveal.replaceAll("[^\\x21-\\x7e]", ""));
    }

    private static String bare(String token) {
        return BEARER.matcher(token).replaceFirst("$1").replaceAll("[^\\x21-\\x7e]|^\\W*[\"'`]|[\"'`;,]\\W*$", "");
    }

    /** Whether it has one of the two published forms. A key that does not may still work: forms have changed before. */
    public boolean known() {
        return OLDER.matcher(reveal).matches() || NEWER.matcher(reveal).matches();
    }

    /** {@code older form}, {@code newer form}, {@code public key}, {@code access token} or {@code unknown form}. */
    public String kind() {
        if (known()) {
            return site().isEmpty() ? "older form" : "newer form";
        }
        String other = PUBLIC.matcher(reveal).matches() ? "public key" : "unknown form";
        return token ? "access token" : other;
    }

    /** The account id inside a key of the newer form: the public site id. */
    public Optional<String> site() {
        Matcher form = NEWER.matcher(reveal);
        return form.matches() ? Optional.of(form.group(1)) : Optional.empty();
    }

    /** The first 8 hex digits of the SHA-256 of its bytes: enough to tell keys apart, useless to guess one. */
    public String fingerprint() {
        byte[] digest = Redactor.sha256().digest(reveal.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest, 0, 4);
    }

    /** Kind, length and fingerprint: {@code newer form, 44 characters, sha256 3f9a2c1b}. */
    public String describe() {
        return kind() + ", " + Text.count(reveal.length(), "character") + ", sha256 " + fingerprint();
    }

    /** The {@code Authorization} header of a request: the cleaned value in the scheme that belongs to its kind. */
    public String authorization() {
        return (token ? "Bearer " : "Klaviyo-API-Key ") + cleaned().reveal;
    }

    /** The text with everything that looks like a private key masked, and every access token that was given. */
    public static String mask(String text) {
        boolean likely = text.contains("k_") || text.contains("K_");
        String masked = likely ? MASKED.matcher(text).replaceAll("pk_[masked]") : text;
        for (String token : TOKENS) {
            masked = masked.replace(token, "[token masked]");
        }
        return masked;
    }

    @Override
    public String toString() {
        return "key (" + describe() + ")";
    }

    // ---- where it comes from

    /**
     * Refuses a command line with a private key in it, which it does not repeat: there it is in the shell's history,
     * and in the list of processes. What a key command is made of is its writer's business.
     */
    static void refuseIn(String... arguments) {
        String before = "";
        for (String argument : arguments) {
            boolean command = (before + "=" + argument).matches("(?s)(.*=)?--(new-)?key-command=.*");
            before = argument;
            if (ARGUMENT.matcher(argument).find() && !command) {
                throw new Problem("a private key stands on the command line, where the shell's history and every"
                        + " process list have it: give --key-file FILE (- for standard input) or KLAVIYO_PRIVATE_KEY,"
                        + " and rotate that key");
            }
        }
    }

    /**
     * Reads a key from the first of these that is given: a file, {@code FILE#VARIABLE} of a dotenv file or {@code -}
     * for standard input; a line for the shell that prints it; variables, of which one named …TOKEN holds an
     * access token, and an empty one is none. It comes as it stands there, less one line end. A {@link Problem} says
     * what gave nothing that could be a key, by the name of the {@code option}: {@code --key}, {@code --new-key}.
     */
    public static Optional<Key> read(Screen.Host host, String option, String file, String command,
                                     String... variables) {
        if (file != null && command != null) {
            throw new Problem(option + "-file and " + option + "-command exclude each other: give one");
        } else if (file != null || command != null) {
            return Optional.of(file != null ? fromFile(host, option + "-file", file)
                    : fromCommand(host, option + "-command", command));
        }
        return Stream.of(variables).filter(name -> host.env(name).isPresent()).findFirst()
                .map(name -> named(name, host.env(name).get()));
    }

    private static Key named(String variable, String value) {
        return variable.endsWith("TOKEN") ? token(value) : of(value);
    }

    private static Key fromFile(Screen.Host host, String option, String file) {
        int hash = file.lastIndexOf('#');
        boolean inside = hash > 0 && !Files.exists(host.path(file));
        Path path = host.path(inside ? file.substring(0, hash) : file);
        try (InputStream input = file.equals("-") ? host.in() : Files.newInputStream(path)) {
            String text = new String(input.readNBytes(LONGEST_FILE), StandardCharsets.UTF_8);
            // What a dotenv file sets, the last assignment of each; nothing for a file that is none.
            Map<String, String> assigned = new LinkedHashMap<>();
            assignment("[A-Za-z_]\\w*", "[^\\s\"'][^\\r\\n]*?").matcher(text).results().forEach(line ->
                    assigned.put(line.group(1), line.group(3)));
            String variable = file.substring(hash + 1);
            if (!inside && assigned.isEmpty()) {
                return whole(option, text);
            } else if (inside && !assigned.getOrDefault(variable, "").isBlank()) {
                return named(variable, assigned.get(variable));
            }
            String shown = Text.safe(path.toString(), 80);
            // The variables that somebody may mean.
            String likely = assigned.keySet().stream().filter(name -> assigned.get(name).contains("pk_"))
                    .map(name -> Text.safe(name, 40)).collect(Collectors.joining(", "));
            throw new Problem(option + ": " + shown + (inside ? " sets no " + Text.safe(variable, 60)
                    : " is a dotenv file: write " + option + " '" + shown + "#VARIABLE'")
                    + (likely.isEmpty() ? "" : " (a key is in " + likely + ")"));
        } catch (IOException e) {
            throw new Problem(option + " cannot be read: " + Incident.why(e));
        }
    }

    /**
     * How a line of a dotenv file sets a variable, patterns of its name and of a value without quotes: groups are name,
     * quote and value. Before the first line may stand a byte order mark, in UTF-8 or its bytes.
     */
    public static Pattern assignment(String name, String bare) {
        String value = "((?<=\")[^\"\\r\\n]*|(?<=')[^'\\r\\n]*|(?<![\"'])(?![#=])" + bare + ")";
        return Pattern.compile("(?m)^(?:\\A(?:\ufeff|\u00ef\u00bb\u00bf))?[ \\t]*(?:export[ \\t]+)?(" + name
                + ")[ \\t]*=[ \\t]*([\"']?)" + value + "\\2[ \\t]*(?:[ \\t]#[^\\r\\n]*)?\\r?$");
    }

    private static Key fromCommand(Screen.Host host, String option, String command) {
        Tool tool = Tool.of(host, COMMAND);
        try {
            // The command itself may hold what nobody should read: only its complaints are shown.
            Tool.Output output = tool.run(tool.shell(command));
            tool.concealed(output.err()).lines().forEach(line -> host.err().println(Text.safe(line, 400)));
            if (!output.ok()) {
                throw new Problem(option + " ended with exit code " + output.exit() + ": run it by hand to see why");
            }
            return whole(option, output.out());
        } catch (Tool.Failure e) {
            throw new Problem(option + ": " + e.getMessage());
        }
    }

    private static Key whole(String option, String text) {
        if (text.length() > LONGEST) {
            throw new Problem(option + " gave more than " + LONGEST + " bytes: that is no key");
        } else if (text.isBlank()) {
            throw new Problem(option + " gave nothing: it has to hold the private key");
        }
        return of(text.replaceFirst("\\r?\\n$", ""));
    }

    /**
     * What was seen when all was well with a key, in {@code klaviyo-runbook/last-good.json} of the user's state folder
     * ({@code XDG_STATE_HOME}, else {@code ~/.local/state}; 0600 in 0700), a row a key, the newest first: the key's
     * fingerprint is its id; its account's id and name, the scopes that were seen to work, and when that was first and
     * last. Nothing in it is secret.
     */
    public record LastGood(String id, String account, String organisation, List<String> scopes, Instant since,
            Instant at) {
        private static final int MOST = 50;
        private static final String FILE = "last-good.json";

        // Nothing where there is no such file, or none that can be read: it is written anew when all is well again.
        private static Map<String, LastGood> read(Screen.Host host) {
            try {
                Path file = folder(host).resolve(FILE);
                boolean fit = Files.isRegularFile(file) && Files.size(file) < LONGEST_FILE;
                return fit ? Json.table(FILE, Files.readAllBytes(file), true, LastGood.class) : Map.of();
            } catch (IOException | Problem e) {
                return Map.of();
            }
        }

        /** The row of this key; empty when all was never well with it on this machine. */
        public static Optional<LastGood> of(Screen.Host host, Key key) {
            return Optional.ofNullable(read(host).get(key.cleaned().fingerprint()));
        }

        /** When another key of the account took this one's place: worked after it did; empty when none has. */
        public Optional<Instant> replacedAt(Screen.Host host) {
            return read(host).values().stream().takeWhile(newer -> !newer.id.equals(id))
                    .filter(newer -> newer.account.equals(account)).map(LastGood::since).min(Instant::compareTo);
        }

        /** Remembers that all is well now, with this key. */
        public static void remember(Screen.Host host, String account, String organisation, Set<String> scopes, Key key,
                                    Instant now) throws IOException {
            Map<String, LastGood> known = new LinkedHashMap<>(read(host));
            String id = key.cleaned().fingerprint();
            Instant since = Optional.ofNullable(known.remove(id)).map(LastGood::since).orElse(now);
            LastGood good = new LastGood(id, account, organisation, List.copyOf(scopes), since, now);
            Map<String, Object> rows = new LinkedHashMap<>();
            Stream.concat(Stream.of(good), known.values().stream()).limit(MOST).forEach(one -> rows.put(one.id,
                    Map.of("account", one.account, "organisation", one.organisation, "scopes",
                            new TreeSet<>(one.scopes), "since", one.since, "at", one.at)));
            String table = Json.pretty(rows) + "\n";
            new Incident(folder(host)).write(FILE, table.getBytes(StandardCharsets.UTF_8));
        }

        /** This toolkit's folder in the user's state folder. */
        public static Path folder(Screen.Host host) {
            Path state = host.env("XDG_STATE_HOME").map(Path::of).filter(Path::isAbsolute)
                    .orElse(host.home().resolve(".local/state"));
            return state.resolve("klaviyo-runbook");
        }
    }

    /**
     * The secrets that we know, in pieces of eight letters and digits: whoever breaks one at a line's end, puts colons
     * between its bytes or encodes it shows pieces all the same. A piece is as rare as the chance of guessing one.
     */
    static final class Secrets {
        private static final int SHORTEST = 16;
        private static final int PIECE = 8;
        // What an address begins with is known to everybody: only the rest of Slack's is secret.
        private static final Pattern PUBLIC = Pattern.compile("^\\w+://[^/]*/(services/)?");

        private final Set<String> pieces = ConcurrentHashMap.newKeySet();

        void add(String value) {
            String secret = PUBLIC.matcher(value.strip()).replaceFirst("");
            if (secret.length() < SHORTEST) {
                return; // no key, but a site id, or a placeholder
            }
            String hex = HexFormat.of().formatHex(secret.getBytes(StandardCharsets.UTF_8));
            List<String> forms = new ArrayList<>(List.of(secret, hex));
            for (int before = 0; before < 3; before++) {
                // Inside of a longer text in base64 it begins at any of three places; what is around it makes the ends.
                byte[] shifted = ("\0".repeat(before) + secret).getBytes(StandardCharsets.UTF_8);
                String encoded = Base64.getEncoder().withoutPadding().encodeToString(shifted);
                forms.add(encoded.substring(before == 0 ? 0 : before + 1, encoded.length() - 1));
            }
            for (String form : forms) {
                String bare = form.replaceAll("[^A-Za-z0-9]", "").toLowerCase(Locale.ROOT);
                for (int i = 0; i + PIECE <= bare.length(); i++) {
                    String piece = bare.substring(i, i + PIECE);
                    pieces.addAll(List.of(piece, new StringBuilder(piece).reverse().toString()));
                }
            }
        }

        // From the first piece to the last: whatever stands between them is as likely a part of it.
        String masked(String text) {
            int[] at = IntStream.range(0, pieces.isEmpty() ? 0 : text.length())
                    .filter(i -> Character.isLetterOrDigit(text.charAt(i))).toArray();
            StringBuilder bare = new StringBuilder();
            IntStream.of(at).forEach(i -> bare.append(Character.toLowerCase(text.charAt(i))));
            int[] found = IntStream.rangeClosed(0, at.length - PIECE)
                    .filter(i -> pieces.contains(bare.substring(i, i + PIECE))).toArray();
            return found.length == 0 ? text : text.substring(0, at[found[0]]) + "[key]"
                    + text.substring(at[found[found.length - 1] + PIECE - 1] + 1);
        }
    }
}
