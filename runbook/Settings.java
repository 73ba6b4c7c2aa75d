package runbook;

import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import picocli.CommandLine.Model.CommandSpec;
import runbook.Klaviyo.Endpoint;
import runbook.Message.Template;
import runbook.Text.Durations;
import runbook.Text.Json;

/**
 * What to look at and how hard, the same for every script: where, with which key and API revision; what is asked there;
 * the drill's scenario, empty in earnest; the environment's proxy variables (see {@link #proxyFor}); and texts and
 * tables, a team's own laid over the built-in ones.
 */
public record Settings(Target target, Optional<Key> key, String revision, Probing probing, Optional<String> drill,
                       Map<String, String> proxies, Templates templates) {
    /**
     * Base addresses without a trailing slash, and health routes in full: Klaviyo's API and its status page; our
     * application's health endpoint, where Klaviyo delivers to us, and what speaks Prometheus's HTTP API, each or null.
     * Passing ones are a sandbox's, which ends with the command: no printed command names them.
     */
    public record Target(URI api, URI status, URI app, URI webhook, URI prometheus, boolean passing) {
        /** Klaviyo's own addresses, and none of ours. */
        public static final Target KLAVIYO = new Target(
                URI.create("https://a.klaviyo.com"), URI.create("https://status.klaviyo.com"), null, null, null, false);

        /** Takes trailing slashes from those that are base addresses. */
        public Target {
            api = bare(api);
            status = bare(status);
            prometheus = bare(prometheus);
        }

        private static URI bare(URI base) {
            return base == null ? null : URI.create(base.toString().replaceFirst("(?<!/)/+$", ""));
        }
    }

    /** An http or https address, null where it is blank; an IllegalArgumentException says what would be right. */
    static URI address(String text) {
        if (text.isBlank()) {
            return null;
        }
        try {
            URI uri = URI.create(text.strip());
            if (String.valueOf(uri.getScheme()).matches("(?i)https?") && uri.getHost() != null
                    && uri.getPort() <= 65_535) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            // Said below, with what would be right.
        }
        throw new IllegalArgumentException("'" + Text.safe(open(text), 80)
                + "' is no address: write http://HOST[:PORT][/PATH] or https://…");
    }

    /** A text for people to see: an address without its login, and without values that look like a token's. */
    static String open(String text) {
        return text.replaceFirst("^(\\w+://)[^/@\\s]*@", "$1")
                .replaceAll("(?i)([?&][^=&#]*(?:key|token|secret|sig|auth|password)[^=&#]*=)[^&#]*", "$1");
    }

    /** The port of an address: the one given, else its scheme's. */
    static int port(URI address) {
        int usual = tls(address) ? 443 : 80;
        return address.getPort() == -1 ? usual : address.getPort();
    }

    /** Whether it is asked over TLS. */
    static boolean tls(URI address) {
        return "https".equalsIgnoreCase(address.getScheme());
    }

    /** {@code host:port}, all that is ever shown of a proxy. */
    static String hostPort(URI address) {
        return address.getHost() + ":" + port(address);
    }

    /**
     * The proxy that curl and the cloud CLIs would use for a destination, by {@code HTTPS_PROXY}, {@code HTTP_PROXY},
     * {@code ALL_PROXY} and {@code NO_PROXY} in either case; lower case wins, as in curl. Empty when it is reached
     * directly; a {@link Problem} when the variable holds no http address: the JDK speaks to no other proxies.
     */
    public static Optional<URI> proxyFor(Map<String, String> environment, URI destination) {
        String scheme = String.valueOf(destination.getScheme()).toLowerCase(Locale.ROOT);
        Optional<String> name = set(environment, scheme + "_proxy", scheme.toUpperCase(Locale.ROOT) + "_PROXY",
                "all_proxy", "ALL_PROXY");
        if (name.isEmpty() || excluded(environment, destination)) {
            return Optional.empty();
        }
        String value = environment.get(name.get()).strip().replaceFirst("(?i)^http://", "");
        if (value.contains("://")) {
            throw new Problem(name.get() + " names a proxy that is spoken to by " + Text.safe(value.split(":")[0], 20)
                    + ", which Java's client cannot: give an http:// one, or NO_PROXY=" + destination.getHost());
        }
        try {
            return Optional.ofNullable(address("http://" + value));
        } catch (IllegalArgumentException withItsText) {
            // There may be a password in it.
            throw new Problem(name.get() + " is no proxy's address: write http://[USER:PASSWORD@]HOST:PORT");
        }
    }

    private static Optional<String> set(Map<String, String> environment, String... names) {
        return Stream.of(names).filter(name -> !environment.getOrDefault(name, "").isBlank()).findFirst();
    }

    private static boolean excluded(Map<String, String> environment, URI destination) {
        String host = "." + String.valueOf(destination.getHost()).toLowerCase(Locale.ROOT);
        String hosts = set(environment, "no_proxy", "NO_PROXY").map(environment::get).orElse("");
        return Stream.of(hosts.toLowerCase(Locale.ROOT).split("[,\\s]+"))
                .map(entry -> entry.replaceFirst(":\\d+$", "").replaceFirst("^\\*?\\.", ""))
                .anyMatch(entry -> entry.equals("*") || !entry.isEmpty() && host.endsWith("." + entry));
    }

    /** Refuses to send a key where others read it: by plain http to another machine, or through a proxy. */
    static void refuseOpen(String option, URI api, Map<String, String> environment) {
        if (!"http".equalsIgnoreCase(api.getScheme())) {
            return;
        } else if (!api.getHost().matches("(?i)localhost|127\\.[0-9.]+|\\[::1]|.*\\.localhost")) {
            throw new Problem(option + " is plain http, where anybody on the way reads the key: write https://, or give"
                    + " --insecure-http");
        }
        proxyFor(environment, api).ifPresent(proxy -> {
            throw new Problem(option + " is plain http and would go through the proxy " + hostPort(proxy)
                    + ", which reads the key: set NO_PROXY=" + api.getHost() + ", or give --insecure-http");
        });
    }

    /**
     * What is asked, and how hard: the time for each check; which endpoints, with how many requests each; PromQL for
     * the errors that our application gets, by status, and those statuses that somebody told instead.
     */
    public record Probing(Duration timeout, int samples, List<Endpoint> endpoints, String errors,
            List<Integer> observed) { }

    /** The same with another key, or with none. */
    public Settings withKey(Optional<Key> other) {
        return new Settings(target, other, revision, probing, drill, proxies, templates);
    }

    /** The same with something else asked, or less: how watch keeps within its budget. */
    public Settings withProbing(Probing other) {
        return new Settings(target, key, revision, other, drill, proxies, templates);
    }

    /** Something that the person at the keyboard can mend: one line that says what to change, and is safe to print. */
    public static class Problem extends RuntimeException {
        /** The exit code of wrong usage. */
        public static final int USAGE = 2;
        private final int exitCode;

        /** A problem with the usage. */
        public Problem(String message) {
            this(USAGE, message);
        }

        /** A problem that ends the script with an exit code of its own. */
        public Problem(int exitCode, String message) {
            super(message, null, false, false);
            this.exitCode = exitCode;
        }

        /** The exit code that the script ends with. */
        public int exitCode() {
            return exitCode;
        }
    }

    /**
     * The texts and tables in {@code templates/}, and over them a team's own folder, or null: a file there takes the
     * place of the whole file of that name. Whatever is wrong with one is a {@link Problem} of one line that names
     * file, id and field. Nothing is read before it is asked for.
     */
    public record Templates(Path over) {
        /** Every file that there is. */
        private static final List<String> NAMES = List.of("slack.md", "status-page.md", "postmortem.md",
                "handover.md", "summary.md", "page.html", "timeline.json", "unfinished.json", "diagnoses.json",
                "stores.json", "logs.json", "redaction.json", "scenarios.json", "team.properties");

        /** The built-in ones alone. */
        public static final Templates BUILT_IN = new Templates(null);
        private static final int LARGEST = 1 << 20;

        /** A team's folder, set at {@code source}; none of its files may have nearly the name of a template. */
        public static Templates over(Path folder, String source) {
            try (Stream<Path> files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    String name = file.getFileName().toString();
                    String meant = NAMES.contains(name) ? "" : Text.guess(name, NAMES);
                    if (!meant.isEmpty()) {
                        throw new Problem(file + " is no template's name" + meant);
                    }
                }
                return new Templates(folder);
            } catch (IOException e) {
                throw new Problem(source + ": the folder of templates cannot be read (" + Incident.why(e) + "): give"
                        + " another (triage --export-templates DIR makes one), or unset it if its sandbox has ended");
            }
        }

        /** What to name in messages about a file: the team's own where there is one, else {@code templates/NAME}. */
        public String origin(String name) {
            return (own(name) ? over : Path.of("templates")).resolve(name).toString();
        }

        boolean own(String name) {
            return over != null && Files.exists(over.resolve(name));
        }

        /** Whether that file is a team's own, or came with the script ({@code //FILES templates/=…}). */
        boolean carries(String name) {
            return own(name) || Templates.class.getResource("/templates/" + name) != null;
        }

        private byte[] bytes(String name) {
            try (InputStream file = own(name) ? Files.newInputStream(over.resolve(name))
                    : Templates.class.getResourceAsStream("/templates/" + name)) {
                byte[] bytes = file.readNBytes(LARGEST + 1);
                if (bytes.length > LARGEST) {
                    throw new Problem(origin(name) + " is larger than 1 MiB: that is no template");
                }
                return bytes;
            } catch (IOException e) {
                throw new Problem(origin(name) + " cannot be read: " + Incident.why(e));
            }
        }

        /** A file's text. */
        public String text(String name) {
            String text = new String(bytes(name), StandardCharsets.UTF_8);
            if (text.contains("\ufffd")) {
                throw new Problem(origin(name) + " cannot be read: no text in UTF-8");
            }
            return text;
        }

        /** A file as a Mustache template; what is wrong in it is said when it is filled. */
        public Template template(String name) {
            return new Template(origin(name), text(name));
        }

        /** A JSON table: rows by their ids, each a record or a tree, as {@link Json#table} reads them. */
        public <T> Map<String, T> table(String name, Class<T> row) {
            return Json.table(origin(name), bytes(name), own(name), row);
        }

        /** The same, a team's own rows first, and in place of ours. */
        public <T> Map<String, T> laid(String name, Class<T> row) {
            Map<String, T> rows = new LinkedHashMap<>(table(name, row));
            BUILT_IN.table(name, row).forEach(rows::putIfAbsent);
            return rows;
        }

        /** Whether every file is in a folder. */
        static boolean complete(Path folder) {
            return NAMES.stream().map(folder::resolve).allMatch(Files::exists);
        }

        /** Writes the built-in files that came with the script into a folder, but for those that are there already. */
        static List<Path> export(Path folder) {
            List<Path> written = new ArrayList<>();
            try {
                Files.createDirectories(folder);
                for (String name : NAMES.stream().filter(BUILT_IN::carries).toList()) {
                    if (!Files.exists(folder.resolve(name))) {
                        written.add(Files.writeString(folder.resolve(name), BUILT_IN.text(name)));
                    }
                }
                return written;
            } catch (IOException e) {
                throw new Problem("--export-templates " + folder + " cannot be written: " + Incident.why(e));
            }
        }
    }

    /** A value that was not given as an option, and the variable, or the file, that it comes from. */
    public record Value(String text, String source) { }

    /**
     * Values that stand elsewhere than on the command line. The later wins: {@code templates/team.properties}, {@code
     * ~/.klaviyo-runbook.properties}, the environment. Names are the options' long names without dashes; what only one
     * script has is written {@code rotate-key.to}. Neither file may hold a secret, or a name that nothing has.
     */
    static final class Values {
        /** Settings that no option has: the catalog's name for printed commands, and the folder of incidents. */
        private static final Map<String, String> PLAIN = Map.of("catalog", "KLAVIYO_RUNBOOK_CATALOG", "incidents", "");
        private static final Pattern OF_A_SCRIPT =
                Pattern.compile("(triage|rotate-key|watch|debug-bundle|postmortem|drill|sandbox)\\..*");
        private static final Pattern SECRET =
                Pattern.compile("://[^/\\s@]+@|hooks\\.slack\\.com/|(?i:bearer\\s+\\S{8})|-----BEGIN");

        private final String script;
        private final Set<String> known;
        private final Templates templates;
        private final Map<String, Value> values = new HashMap<>();

        /** Reads them for a script with these options of its own; the team's from a folder that is given, or set. */
        Values(Screen.Host host, String script, Set<String> options, Optional<String> folder) {
            this.script = script + ".";
            Map<String, String> variables = new TreeMap<>(PLAIN);
            Cli.Shared.ALL.forEach((name, row) -> variables.put(name, Objects.toString(row.variable(), "")));
            known = new TreeSet<>(variables.keySet());
            Stream.of(variables.keySet(), options).flatMap(Set::stream).forEach(name -> known.add(this.script + name));
            variables.forEach((name, variable) ->
                    host.env(variable).ifPresent(text -> values.put(name, new Value(text, variable))));
            // A game day says where its key is stored: an exercise must never find the store of whoever takes part.
            if (host.env(Cli.GAME_DAY).isEmpty()) {
                add(new Templates(host.home()), ".klaviyo-runbook.properties");
            }
            templates = folder.map(given -> new Value(given, "--templates")).or(() -> of("templates"))
                    .map(set -> Templates.over(host.path(set.text), set.source)).orElse(Templates.BUILT_IN);
            add(templates, "team.properties");
        }

        /** Adds what a file says, where there is one, of names that have no value yet. */
        private void add(Templates from, String file) {
            String origin = from.origin(file);
            Properties lines = new Properties();
            try {
                lines.load(new StringReader(from.carries(file) ? from.text(file) : ""));
            } catch (IOException | IllegalArgumentException e) {
                throw new Problem(origin + " is no properties file (name=value a line): "
                        + Text.safe(e.getMessage(), 80));
            }
            for (String name : lines.stringPropertyNames()) {
                String value = lines.getProperty(name).strip();
                refuse(origin, name, value);
                // What is said to this script alone comes before what is said to all.
                if (!value.isEmpty() && lines.getProperty(script + name, "").isBlank()) {
                    values.putIfAbsent(own(name), new Value(value, origin));
                }
            }
        }

        private void refuse(String origin, String name, String value) {
            String place = origin + ": ";
            String shown = Text.safe(name, 40);
            boolean others = OF_A_SCRIPT.matcher(name).matches() && !name.startsWith(script);
            if (!Key.mask(value).equals(value) || SECRET.matcher(value).find()) {
                throw new Problem(place + shown + " holds a secret: take it out, and give it in the environment or from"
                        + " a secret store");
            } else if (!known.contains(name) && !others) {
                throw new Problem(place + "there is no " + shown + (known.contains(script + name)
                        ? ", did you mean " + script + name + "?" : Text.hint(name, known)));
            }
        }

        private String own(String name) {
            return name.startsWith(script) ? name.substring(script.length()) : name;
        }

        /** The texts and tables that the team's file is one of. */
        Templates templates() {
            return templates;
        }

        /** A value by its name; empty where none stands anywhere. */
        Optional<Value> of(String name) {
            return Optional.ofNullable(values.get(own(name)));
        }

        /** A command's options that have a value without being given, each with it, and where that stands. */
        List<String> elsewhere(CommandSpec command) {
            return command.options().stream().flatMap(option -> of(Cli.name(option)).stream().map(value -> {
                String shown = Cli.name(option).equals("key-command") ? "…" : Text.safe(open(value.text), 80);
                return option.longestName() + " " + shown + "   (" + value.source + ")";
            })).toList();
        }

        /** What is said of a value, with the variable or file in front where it comes from there. */
        String named(String name, String text, String said) {
            return of(name).filter(value -> value.text.equals(text)).map(value -> value.source + ": " + said)
                    .orElse(said);
        }
    }

    /** Times as people say them: {@code 10:12}, {@code 10 min ago}, {@code 2026-11-23 10:12}, ISO 8601; in UTC. */
    public static final class Times {
        private static final Pattern AGO = Pattern.compile("(?i)(\\d.{0,40}?)\\s+ago");
        private static final Pattern CLOCK = Pattern.compile("(?i)(\\d{1,2}:\\d{2}(?::\\d{2})?)\\s*(?:Z|UTC)?");
        private static final Duration BEFORE_THE_INCIDENT = Duration.ofHours(12);
        private static final Duration LONG_AGO = Duration.ofDays(2);
        private static final Pattern WITHOUT_OFFSET = Pattern.compile(".*T[0-9:.]+");

        private Times() { }

        /**
         * Reads a time that somebody gave for an {@code option}; none in the future. Where it is known when the
         * incident began, a bare {@code 23:50} said after midnight is yesterday's, and one said days later is of the
         * day on which the incident began.
         */
        public static Instant past(String option, String text, Instant now, Optional<Instant> began) {
            String given = option + " \"" + Text.safe(text, 40) + "\" ";
            Instant at;
            try {
                at = read(text.strip(), now, began);
            } catch (DateTimeException | ArithmeticException | IllegalArgumentException e) {
                throw new Problem(given + "is no time: write 10:12, \"10 min ago\", \"2026-11-23 10:12\" or"
                        + " 2026-11-23T10:12:00Z (UTC)");
            }
            if (at.isAfter(now)) {
                throw new Problem(given + "is in the future: it is " + Text.minute(now) + " now (times are UTC)");
            }
            return at;
        }

        private static Instant read(String text, Instant now, Optional<Instant> began) {
            Matcher ago = AGO.matcher(text);
            Matcher clock = CLOCK.matcher(text);
            if (text.equalsIgnoreCase("now")) {
                return now;
            } else if (ago.matches()) {
                String words = ago.group(1).toLowerCase(Locale.ROOT);
                return now.minus(Durations.parse(words.replaceAll("\\s*([dhms])[a-z]*\\s*", "$1")));
            } else if (clock.matches()) {
                String time = clock.group(1);
                return onClock(LocalTime.parse(time.length() % 3 == 1 ? "0" + time : time), now, began);
            }
            String iso = text.replaceFirst("\\s+(?=\\d)", "T").replaceFirst("\\s*UTC$", "");
            return OffsetDateTime.parse(WITHOUT_OFFSET.matcher(iso).matches() ? iso + "Z" : iso).toInstant();
        }

        private static Instant onClock(LocalTime clock, Instant now, Optional<Instant> began) {
            boolean longAgo = began.isPresent() && began.get().isBefore(now.minus(LONG_AGO));
            Instant first = began.map(start -> start.minus(BEFORE_THE_INCIDENT)).orElse(now);
            Instant at = LocalDate.ofInstant(longAgo ? first : now, ZoneOffset.UTC).atTime(clock)
                    .toInstant(ZoneOffset.UTC);
            Instant dayBefore = at.minus(Duration.ofDays(1));
            if (longAgo) {
                return at.isBefore(first) ? at.plus(Duration.ofDays(1)) : at;
            }
            return at.isAfter(now) && dayBefore.isAfter(first) ? dayBefore : at;
        }
    }
}
