package runbook.rotation;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Cli;
import runbook.Key;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text;
import runbook.Text.Json;
import runbook.Tool;
import runbook.redact.Redactor;
import runbook.rotation.Progress.Trouble;

/**
 * Secret stores and restart targets, as the rows of {@code stores.json} describe them and as somebody typed them. Every
 * value travels by a tool's standard input, and comes back by its standard output into memory.
 */
public final class Stores {
    /** A name in braces: the part of the address that stands there. */
    private static final Pattern PART = Pattern.compile("\\{(\\w+(?::\\w+)?)}");
    /** Words in brackets: left away where a part in them was not given. */
    private static final Pattern OPTIONAL = Pattern.compile("\\[([^\\[\\]{}]*\\{\\w+}[^\\[\\]{}]*)]");
    private static final Pattern PIECE = Pattern.compile("\\{(\\w+)}|[\\[\\]]|[^\\[\\]{}]+");
    /** Never starts with a dash: no tool can take it for an option. */
    private static final String WORD = "[A-Za-z0-9_][A-Za-z0-9_.-]*";
    private static final Pattern FIRST_WORD = Pattern.compile("\\s*([A-Za-z0-9_./+-]+)(\\s.*)?", Pattern.DOTALL);
    private static final Pattern FILE = Pattern.compile("file:([^\\x00-\\x1f]+)(#[^#]*)");

    private final Map<String, Row> rows;
    private final Tool tool;
    private final Hands hands;

    /**
     * The table; a team's own rows come first, and take the place of ours of the same id.
     *
     * @throws Problem that names file, row and field
     */
    public Stores(Templates templates, Tool tool, Hands hands) {
        this.tool = tool;
        this.hands = hands;
        rows = new LinkedHashMap<>(templates.table("stores.json", Row.class));
        Templates.builtIn().table("stores.json", Row.class).forEach(rows::putIfAbsent);
    }

    /** What runs a command: a tool, {@link DotenvFile}, or whatever a drill has in their place. */
    public interface Hands {
        /** In earnest: what begins with {@code rotate-key:} is done within this process. */
        static Hands of(Tool tool) {
            return (command, input, lasting) -> {
                if (command.get(0).equals(DotenvFile.PROGRAM)) {
                    return DotenvFile.run(tool, command, input);
                }
                return lasting.isPresent() ? tool.lasting(command, lasting.get())
                        : tool.run(command, input, tool.timeout(), Map.of());
            };
        }

        /** Runs it to its end; {@code lasting}: it may take so long, and leave something running. */
        Tool.Output run(List<String> command, String input, Optional<Duration> lasting) throws Tool.Failure, Trouble;
    }

    // ---- a row

    /** How an answer is read that is not JSON with the value as it is: that in base64, or the value itself. */
    public enum Decode { BASE64, TEXT }

    /**
     * What has to be (or must not be) so: {@code is} found in what {@code run} prints, or else at a place in the answer
     * of {@code read}.
     */
    public record Check(Optional<String> run, Optional<String> at, Pattern is, String means, List<String> action) { }

    /** What a tool says when it fails (any case fits), what that means, and the commands that mend it. */
    public record Explanation(Pattern when, String means, List<String> action) { }

    /**
     * A row. Commands are words, {@code {part}} a part of the address, {@code [… {part} …]} left away where that
     * is not given; a command that is one part alone is a line for the shell. A row with {@code restart} is a restart
     * target, else a store.
     *
     * @param address how it is written; parts without a pattern in {@code parts} are plain names
     * @param read    prints what is there, JSON unless {@code decode} is {@code text}; none where nothing can be read
     * @param value   where the value stands in that, a JSON Pointer; none for a store that gives no value back
     * @param inside  the name of the field, where the value is a JSON document that has the key in it
     * @param version where the store's own name for the value stands (what follows its last slash counts)
     * @param readAt  reads an earlier value by its {@code {version}}
     * @param write   stores what it reads from standard input; {@code {stdin}} where it wants a file's name
     * @param stdin   what it reads: the only place that has {@code {key}}, or {@code {key:base64}}
     * @param restart restarts and waits until it runs again; {@code {within}} is the time in seconds, {@code {now}}
     *                that of day
     * @param mark    where something stands that changes with each restart
     * @param need    what has to be so before anything changes
     * @param refuse  what must not be so
     * @param undo    what a person pastes to bring {@code {version}} back
     * @param show    what prints the value
     * @param note    what people should know before they say yes
     * @param explain the first that fits what the tool says counts
     * @param install how to get the tool
     */
    public record Row(String id, List<String> address, Map<String, Pattern> parts, Optional<String> read,
            Optional<String> value, Optional<Decode> decode, Optional<String> inside, Optional<String> version,
            Optional<String> readAt, Optional<String> write, Optional<JsonNode> stdin, List<String> restart,
            Optional<String> mark, List<Check> need, List<Check> refuse, Optional<String> undo, Optional<String> show,
            Optional<String> note, List<Explanation> explain, Optional<String> install) {
        /** Refuses a row that could show the key, or that names what its address does not have. */
        public Row {
            if (address.isEmpty() || !address.stream().allMatch(form -> form.matches("[a-z0-9-]+:.*\\{\\w+}.*"))) {
                throw new IllegalArgumentException("address has to be a list of forms: [\"name:{part}/{part}\"]");
            }
            if (restart.isEmpty() && (write.isEmpty() || stdin.isEmpty() || !stdin.get().toString().contains("{key"))) {
                throw new IllegalArgumentException("has neither restart, nor write with a stdin that has {key} in it");
            }
            List<String> parted = address.stream().flatMap(form -> names(form).stream()).toList();
            known("read", parted, read);
            known("value, inside, version or mark", parted, List.of(value, inside, version, mark));
            known("readAt or undo", parted, List.of(readAt, undo), "version");
            known("write", parted, write, "stdin");
            known("stdin", parted, stdin, "key", "key:base64");
            known("restart", parted, restart, "within", "now");
            known("show", parted, show);
            known("need or refuse", parted, Stream.concat(need.stream(), refuse.stream())
                    .map(one -> List.of(one.run, one.at, one.means, one.action)).toList());
            known("explain", parted, explain.stream().map(one -> List.of(one.means, one.action)).toList());
        }

        private static void known(String field, List<String> parts, Object held, String... more) {
            for (String name : names(held.toString())) {
                if (!parts.contains(name) && !List.of(more).contains(name)) {
                    throw new IllegalArgumentException(field + " has {" + name + "} in it" + (name.startsWith("key")
                            ? ": the key goes by stdin alone" : ", which the address does not"));
                }
            }
        }

        private Optional<Map<String, String>> parse(String typed) {
            for (String form : address) {
                Matcher matcher = Pattern.compile(PIECE.matcher(form).results().map(piece -> piece.group(1) != null
                        ? "(?<" + piece.group(1) + ">" + Optional.ofNullable(parts.get(piece.group(1)))
                                .map(Pattern::pattern).orElse(WORD) + ")"
                        : Map.of("[", "(?:", "]", ")?").getOrDefault(piece.group(), Pattern.quote(piece.group())))
                        .collect(Collectors.joining()), Pattern.DOTALL).matcher(typed);
                if (matcher.matches()) {
                    return Optional.of(names(form).stream().filter(name -> matcher.group(name) != null)
                            .collect(Collectors.toMap(name -> name, matcher::group)));
                }
            }
            return Optional.empty();
        }

        private String usage() {
            return PART.matcher(address.get(0)).replaceAll(part -> part.group(1).toUpperCase());
        }
    }

    private static List<String> names(String text) {
        return PART.matcher(text).results().map(found -> found.group(1)).toList();
    }

    // ---- what is made of it

    /** What a store holds: the value, where it gives it back, and its own name for it, where it has one. */
    public record Held(Optional<Key> key, String version) {
        boolean holds(String fingerprint) {
            return key.filter(held -> held.fingerprint().equals(fingerprint)).isPresent();
        }

        String versionWords() {
            return version.isEmpty() ? "" : ", version " + Text.safe(version, 40);
        }

        @Override
        public String toString() {
            return key.map(held -> held.reveal().isEmpty() ? "nothing" : "sha256 " + held.fingerprint())
                    .orElse("something") + versionWords();
        }
    }

    /**
     * The stores that were typed after {@code --to}; a file by its path in full, for no shell expands {@code ~} there.
     *
     * @throws Problem that shows how one is written, when it is none, or is there twice
     */
    public List<Place> stores(Cli.Host host, List<String> typed) {
        return places("--to", typed, false, one -> {
            Matcher file = FILE.matcher(one);
            if (!file.matches()) {
                return one;
            }
            String path = file.group(1).startsWith("~/") ? host.home() + file.group(1).substring(1) : file.group(1);
            return "file:" + host.path(path).toAbsolutePath().normalize() + file.group(2);
        });
    }

    /**
     * The restart targets that were typed after {@code --restart}.
     *
     * @throws Problem that shows how one is written, when it is none, or is there twice
     */
    public List<Place> targets(List<String> typed) {
        return places("--restart", typed, true, one -> one);
    }

    // In a settings file one option may hold several with a comma between them.
    private List<Place> places(String option, List<String> given, boolean target, UnaryOperator<String> whole) {
        List<String> typed = given.stream().flatMap(one -> one.startsWith("exec:") ? Stream.of(one)
                : Stream.of(one.split("\\s*,\\s*(?=[a-z0-9-]+:\\S)"))).map(whole).toList();
        if (Set.copyOf(typed).size() != typed.size()) {
            throw new Problem(option + ": the same one is given twice");
        }
        return typed.stream().map(one -> place(option, one, target)).toList();
    }

    private Place place(String option, String typed, boolean target) {
        if (!Key.mask(typed).equals(typed)) {
            throw new Problem(option + " has a key in it, where every process list shows it: let the command read it"
                    + " from standard input");
        }
        List<Row> some = rows.values().stream().filter(row -> row.restart.isEmpty() != target).toList();
        for (Row row : some) {
            Optional<Map<String, String>> parts = row.parse(typed);
            if (parts.isPresent()) {
                return new Place(row, typed, parts.get(), tool, hands);
            }
        }
        String prefix = typed.substring(0, typed.indexOf(':') + 1);
        List<String> usages = some.stream().map(Row::usage).toList();
        throw new Problem(option + " " + Text.safe(typed, 60) + ": write " + usages.stream()
                .filter(usage -> !prefix.isEmpty() && usage.startsWith(prefix)).findFirst()
                .orElse(String.join(", ", usages)));
    }

    /** A store or restart target: a row, and the parts of its address as somebody typed it after an option. */
    public record Place(Row row, String name, Map<String, String> parts, Tool tool, Hands hands) {
        // ---- words and commands

        private String filled(String template, UnaryOperator<String> form, Map<String, String> more) {
            Map<String, String> all = new HashMap<>(parts);
            all.putAll(more);
            return PART.matcher(chosen(template)).replaceAll(part ->
                    Matcher.quoteReplacement(form.apply(all.getOrDefault(part.group(1), ""))));
        }

        private String chosen(String template) {
            return OPTIONAL.matcher(template).replaceAll(words -> Matcher.quoteReplacement(
                    parts.keySet().containsAll(names(words.group(1))) ? words.group(1) : ""));
        }

        private String words(String template) {
            return filled(template, UnaryOperator.identity(), Map.of());
        }

        private String pasted(String template, String version) {
            return filled(template, Text::word, Map.of("version", version)).replaceAll(" {2,}(?! *#)", " ");
        }

        private String mends(List<String> actions) {
            return actions.stream().map(action -> pasted(action, "")).collect(Collectors.joining("\n"));
        }

        private JsonNode at(JsonNode answer, String pointer) {
            return answer.at(filled(pointer, part -> part.replace("~", "~0").replace("/", "~1"), Map.of()));
        }

        // Split before the parts are put in: whatever is in them, they stay one word, and no option.
        private List<String> command(String template, Map<String, String> more) {
            return forShell(template) ? tool.shell(words(template))
                    : Tool.split("stores.json, " + row.id, chosen(template)).stream()
                            .map(word -> filled(word, UnaryOperator.identity(), more)).toList();
        }

        private static boolean forShell(String template) {
            return template.matches("\\{\\w+}");
        }

        private List<String> read(String version) {
            String template = version.isEmpty() ? row.read.orElse("") : row.readAt.orElse("");
            return template.isEmpty() ? List.of() : command(template, Map.of("version", version));
        }

        private List<String> writer() {
            return command(row.write.orElseThrow(), Map.of("stdin", "/dev/stdin"));
        }

        private List<List<String>> restarts(Duration within) {
            Map<String, String> times = Map.of("within", Long.toString(Math.max(1, within.toSeconds())),
                    "now", Long.toString(Instant.now().getEpochSecond()));
            return row.restart.stream().map(template -> command(template, times)).toList();
        }

        // ---- running a tool

        private Tool.Output run(List<String> command, String input, Optional<Duration> lasting) throws Trouble {
            Tool.Output output = ended(command, input, lasting);
            if (output.ok()) {
                return output;
            }
            String said = tool.concealed(output.err().isBlank() ? output.out() : output.err());
            String quoted = Text.safe(Redactor.strict().text(Text.safe(said, 400)), 200);
            // Ended by a signal, it may have done what it was to do. (The AWS CLI's own exit codes are 252 to 255.)
            boolean signal = output.exit() > 128 && output.exit() < 193;
            Trouble.Kind kind = signal ? Trouble.Kind.UNKNOWN : Trouble.Kind.REFUSED;
            for (Explanation one : row.explain) {
                if (Pattern.compile(one.when.pattern(), Pattern.CASE_INSENSITIVE).matcher(said).find()) {
                    throw new Trouble(kind, words(one.means) + " (" + Tool.name(command) + ": " + quoted + ")",
                            mends(one.action));
                }
            }
            throw new Trouble(kind, Tool.name(command) + " ended with exit code " + output.exit()
                    + (quoted.isEmpty() ? " and said nothing" : ": " + quoted), "");
        }

        private Tool.Output ended(List<String> command, String input, Optional<Duration> lasting) throws Trouble {
            try {
                return hands.run(command, input, lasting);
            } catch (Tool.Failure e) {
                boolean missing = e.missing();
                String install = row.install.orElse("install " + Tool.name(command) + ", or put it on the PATH");
                throw new Trouble(missing ? Trouble.Kind.MISSING : Trouble.Kind.UNKNOWN, e.getMessage(),
                        missing ? install : "run it by hand to see why: " + Tool.shown(command));
            }
        }

        // Nothing at all is an answer too: a list without the name that was asked for.
        private JsonNode answer(List<String> command) throws Trouble {
            if (command.isEmpty()) {
                return Json.object();
            }
            String out = run(command, "", Optional.empty()).out();
            try {
                boolean text = row.decode.equals(Optional.of(Decode.TEXT));
                return text ? Json.of(out.replaceFirst("\\R$", "")) : Json.read(out);
            } catch (IOException e) {
                throw strange(command);
            }
        }

        private static Trouble strange(List<String> command) {
            return new Trouble(Trouble.Kind.UNKNOWN, Tool.name(command)
                    + " succeeded, but its answer is not what it should be", "look at it: " + Tool.shown(command));
        }

        /** Refuses what is not as it has to be; {@code all}: also what costs a command of its own to know. */
        private void check(JsonNode answer, boolean all) throws Trouble {
            List<Check> checks = Stream.concat(row.need.stream(), row.refuse.stream())
                    .filter(check -> all || check.run.isEmpty()).toList();
            for (Check check : checks) {
                boolean is = found(check, answer).filter(text -> check.is.matcher(text).find()).isPresent();
                Trouble.refuse(is == row.refuse.contains(check), words(check.means), mends(check.action));
            }
        }

        // A question that cannot be answered does no harm: the benefit of the doubt.
        private Optional<String> found(Check check, JsonNode answer) throws Trouble {
            if (check.run.isPresent()) {
                return Optional.of(ended(command(check.run.get(), Map.of()), "", Optional.empty()).out());
            }
            JsonNode found = at(answer, check.at.orElse(""));
            return found.isValueNode() ? Optional.of(found.asText()) : Optional.empty();
        }

        // The program that a line for the shell calls first.
        private void present(String template) throws Trouble {
            Matcher first = FIRST_WORD.matcher(forShell(template) ? words(template) : "");
            if (first.matches()) {
                String program = first.group(1);
                List<String> lookup = tool.windows() ? List.of("where", "/q", program)
                        : List.of("/bin/sh", "-c", "command -v \"$1\"", "sh", program);
                if (!ended(lookup, "", Optional.empty()).ok()) {
                    throw new Trouble(Trouble.Kind.MISSING, "exec: " + program + " is not there",
                            "install " + program + ", or put it on the PATH");
                }
            }
        }

        // ---- as a store

        /** What it is, however it was written, and less the field in it: two rotations of it never run at once. */
        public String identity() {
            Map<String, String> whole = new TreeMap<>(parts);
            whole.keySet().removeAll(List.of("field", "variable"));
            return row.id + whole;
        }

        /** The command that reads it, as people see it; empty where none does. */
        String reading() {
            return row.read.isEmpty() ? "" : Tool.shown(read(""));
        }

        /** The command that writes it, as people see it. */
        String writing() {
            String plain = row.stdin.orElseThrow().isTextual() ? "the key" : "JSON with the key in it";
            String what = inside().isEmpty() ? plain : "the JSON secret with the key in it";
            return Tool.shown(writer()) + (row.write.orElseThrow().startsWith(DotenvFile.PROGRAM) ? ""
                    : "   # " + what + " on standard input");
        }

        private String inside() {
            return row.inside.map(this::words).orElse("");
        }

        /** Whether {@link #read()} gives the value. */
        boolean readable() {
            return row.read.isPresent() && row.value.isPresent();
        }

        /** What people should know before they say yes; may be empty. */
        String note() {
            return row.note.orElse(readable() ? "" : "write-only: it gives no value back, so step 4 cannot compare it");
        }

        /** The command by which a person brings an earlier value back; empty where the store has no history. */
        String undo(String version) {
            return row.undo.map(undo -> pasted(undo, version)).orElse("");
        }

        /** A shell's words that print the value; empty where none do. */
        public String show() {
            return row.show.map(show -> pasted(show, "")).orElse("");
        }

        /** What it holds, and all that would keep {@link #write} from working, as far as can be known without. */
        public Held inspect() throws Trouble {
            boolean noWay = tool.windows() && row.write.orElseThrow().contains("{stdin}");
            Trouble.refuse(noWay, "Windows has no /dev/stdin, and the key goes no other way into "
                    + Tool.name(writer()), "run this in WSL, or on another machine");
            present(row.write.orElseThrow());
            return held("", true);
        }

        /** What it holds now. */
        Held read() throws Trouble {
            return held("", false);
        }

        /** An earlier value out of its own history: the way back after this process was killed. */
        Optional<Key> recall(String version) throws Trouble {
            return version.isEmpty() || row.readAt.isEmpty() ? Optional.empty() : held(version, false).key();
        }

        private Held held(String at, boolean all) throws Trouble {
            List<String> command = read(at);
            JsonNode answer = answer(command);
            check(answer, all);
            String version = row.version.map(pointer -> at(answer, pointer).asText().replaceFirst(".*/", ""))
                    .orElse("");
            if (!readable()) {
                return new Held(Optional.empty(), version);
            }
            String value = decoded(answer, command);
            return new Held(Optional.of(Key.of(inside().isEmpty() ? value : field(value).value)), version);
        }

        // gcloud prints bytes in the URL-safe alphabet, the API itself in the usual one.
        private String decoded(JsonNode answer, List<String> command) throws Trouble {
            JsonNode node = at(answer, row.value.orElseThrow());
            boolean base64 = row.decode.equals(Optional.of(Decode.BASE64));
            try {
                if (node.isTextual()) {
                    return !base64 ? node.asText() : new String(Base64.getDecoder()
                            .decode(node.asText().replace('-', '+').replace('_', '/')), StandardCharsets.UTF_8);
                }
            } catch (IllegalArgumentException e) {
                // No base64: as strange as no text.
            }
            throw strange(command);
        }

        /** Makes it hold this key. May have done so even when it fails: read back before you judge. */
        void write(Key key) throws Trouble {
            String value = key.reveal();
            if (!inside().isEmpty()) {
                // Read again just before: somebody may have changed another field meanwhile.
                String document = decoded(answer(read("")), read(""));
                Span field = field(document);
                value = document.substring(0, field.begin) + Json.line(Json.of(value)) + document.substring(field.end);
            }
            Map<String, String> forms = Map.of("key", value, "key:base64",
                    Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8)));
            JsonNode stdin = row.stdin.orElseThrow();
            run(writer(), stdin.isTextual() ? filled(stdin.asText(), UnaryOperator.identity(), forms)
                    : filled(Json.line(stdin), part -> Json.line(Json.of(part)).replaceAll("^\"|\"$", ""), forms),
                    Optional.empty());
        }

        private Span field(String document) throws Trouble {
            try (JsonParser parser = new JsonFactory().createParser(document.toCharArray())) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    if (parser.nextToken() == JsonToken.VALUE_STRING && name.equals(inside())) {
                        int begin = (int) parser.currentTokenLocation().getCharOffset();
                        String value = parser.getText();
                        return new Span(value, begin, (int) parser.currentLocation().getCharOffset());
                    }
                    parser.skipChildren();
                }
            } catch (IOException e) {
                // No JSON: it has no field either.
            }
            String look = row.show.orElse(row.read.orElse("")).replaceFirst("\\[ \\| jq.*", " | jq keys");
            throw Trouble.refused(name + ": the secret is no JSON document with a text field " + inside(),
                    pasted(look, ""));
        }

        // ---- as a restart target

        /** What restarts it and waits until it runs, as people see it. */
        String restarting(Duration within) {
            return restarts(within).stream().map(Tool::shown).collect(Collectors.joining(" && "));
        }

        /** Finds out all that would keep a restart from working, as far as that is known without restarting. */
        void reach() throws Trouble {
            present(row.restart.get(0));
            JsonNode answer = answer(read(""));
            check(answer, true);
            if (row.mark.isPresent() && !at(answer, row.mark.get()).isValueNode()) {
                throw strange(read(""));
            }
        }

        /** What changes with every restart; empty where nothing tells. */
        Optional<String> mark() throws Trouble {
            return row.mark.isEmpty() ? Optional.empty()
                    : Optional.of(Text.safe(at(answer(read("")), row.mark.get()).asText(), 60))
                            .filter(mark -> !mark.isEmpty());
        }

        /** Restarts it, and returns once it runs again. */
        void restart(Duration within) throws Trouble {
            for (List<String> command : restarts(within)) {
                run(command, "", Optional.of(within));
            }
        }
    }

    /** A text at the top of a JSON document: where its token begins and ends, quotes included. */
    private record Span(String value, int begin, int end) { }
}
