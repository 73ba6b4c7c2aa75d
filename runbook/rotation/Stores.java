package runbook.rotation;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
import runbook.rotation.Steps.Trouble;

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
    /** Knows how a command is written, and runs none. */
    private static final Tool NO_TOOL = new Tool(Map.of(), Path.of(""), Duration.ZERO, "");
    private static final String DOTENV = "file:PATH#VAR";

    private final Map<String, Row> rows;

    private Stores(Map<String, Row> rows) {
        this.rows = rows;
    }

    /**
     * The table; a team's own rows come first, and take the place of ours of the same id.
     *
     * @throws Problem that names file, row and field
     */
    public static Stores of(Templates templates) {
        Map<String, Row> rows = new LinkedHashMap<>(templates.table("stores.json", Row.class));
        Templates.builtIn().table("stores.json", Row.class).forEach(rows::putIfAbsent);
        return new Stores(rows);
    }

    // ---- a row

    /** How a tool's answer is read: JSON with the value as it is, or in base64; or the value itself. */
    public enum Decode { PLAIN, BASE64, TEXT }

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
            Map<String, Stream<String>> fields = new TreeMap<>(Map.of("read", read.stream(), "value", value.stream(),
                    "inside", inside.stream(), "version", version.stream(), "mark", mark.stream(),
                    "show", show.stream(), "need", need.stream().flatMap(Stores::texts),
                    "refuse", refuse.stream().flatMap(Stores::texts), "explain", explain.stream().flatMap(one ->
                            Stream.concat(Stream.of(one.means), one.action.stream()))));
            fields.forEach((field, texts) -> known(field, texts, parted));
            known("readAt or undo", Stream.of(readAt, undo).flatMap(Optional::stream), parted, "version");
            known("write", write.stream(), parted, "stdin");
            known("restart", restart.stream(), parted, "within", "now");
            known("stdin", stdin.stream().map(JsonNode::toString), parted, "key", "key:base64");
        }

        private static void known(String field, Stream<String> texts, List<String> parts, String... more) {
            texts.flatMap(text -> names(text).stream())
                    .filter(name -> !parts.contains(name) && !List.of(more).contains(name)).findFirst()
                    .ifPresent(name -> {
                        throw new IllegalArgumentException(field + " has {" + name + "} in it" + (name.startsWith("key")
                                ? ": the key goes by stdin alone" : ", which the address does not"));
                    });
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

    private static Stream<String> texts(Check check) {
        return Stream.of(check.run.stream(), check.at.stream(), Stream.of(check.means), check.action.stream())
                .flatMap(texts -> texts);
    }

    private static List<String> names(String text) {
        return PART.matcher(text).results().map(found -> found.group(1)).toList();
    }

    // ---- what is made of it

    /** What a store holds: the value, where it gives it back, and its own name for it, where it has one. */
    record Held(Optional<Key> key, String version) {
        static Held of(String value, String version) {
            return new Held(Optional.of(Key.of(value)), version);
        }

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

    /** One place that holds the private key. */
    public interface Store {
        /** As typed after {@code --to}, a path in full. */
        String name();

        /** What it is, however it was written: two rotations of it never run at once. */
        default String identity() {
            return name();
        }

        /** The command that reads it, as people see it; empty where none does. */
        String reading();

        /** The command that writes it, as people see it. */
        String writing();

        /** What it holds, and all that would keep {@link #write} from working, as far as can be known without. */
        Held inspect(Tool tool) throws Trouble;

        /** What it holds now. */
        Held read(Tool tool) throws Trouble;

        /** Makes it hold this key. May have done so even when it fails: read back before you judge. */
        void write(Tool tool, Key key) throws Trouble;

        /** An earlier value out of the store's own history: the way back after this process was killed. */
        default Optional<Key> recall(Tool tool, String version) throws Trouble {
            return Optional.empty();
        }

        /** The command by which a person brings an earlier value back; empty where the store has no history. */
        default String undo(String version) {
            return "";
        }

        /** A shell's words that print the value; empty where none do. */
        default String show() {
            return "";
        }

        /** Whether {@link #read} gives the value. */
        default boolean readable() {
            return true;
        }

        /** What people should know before they say yes; may be empty. */
        default String note() {
            return "";
        }
    }

    /** Something to restart so that it reads the key anew. */
    public interface Target {
        /** As typed after {@code --restart}. */
        String name();

        /** What restarts it and waits until it runs, as people see it. */
        String restarting(Duration within);

        /** Finds out all that would keep a restart from working, as far as that is known without restarting. */
        void reach(Tool tool) throws Trouble;

        /** What changes with every restart; empty where nothing tells. */
        Optional<String> mark(Tool tool) throws Trouble;

        /** Restarts it, and returns once it runs again. */
        void restart(Tool tool, Duration within) throws Trouble;
    }

    /** What one option holds, which in a settings file may be several with a comma between them. */
    public static List<String> split(List<String> given) {
        return given.stream().flatMap(one -> one.startsWith("exec:") ? Stream.of(one)
                : Stream.of(one.split("\\s*,\\s*(?=[a-z0-9-]+:\\S)"))).toList();
    }

    /**
     * The store that was typed after {@code --to}.
     *
     * @throws Problem that shows how it is written, when it is none
     */
    public Store store(Cli.Host host, String typed) {
        refuseKey("--to", typed);
        Optional<? extends Store> file = DotenvFile.of(host, typed);
        return file.isPresent() ? file.get() : place("--to", typed, false);
    }

    /**
     * The restart target that was typed after {@code --restart}.
     *
     * @throws Problem that shows how it is written, when it is none
     */
    public Target target(String typed) {
        refuseKey("--restart", typed);
        return place("--restart", typed, true);
    }

    private static void refuseKey(String option, String typed) {
        if (!Key.mask(typed).equals(typed)) {
            throw new Problem(option
                    + " has a key in it, where every process list shows it: let the command read it from"
                    + " standard input");
        }
    }

    private Place place(String option, String typed, boolean target) {
        List<Row> some = rows.values().stream().filter(row -> row.restart.isEmpty() != target).toList();
        for (Row row : some) {
            Optional<Map<String, String>> parts = row.parse(typed);
            if (parts.isPresent()) {
                return new Place(row, typed, parts.get());
            }
        }
        List<String> usages = Stream.concat(some.stream().map(Row::usage), target ? Stream.of() : Stream.of(DOTENV))
                .toList();
        String prefix = typed.substring(0, typed.indexOf(':') + 1);
        throw new Problem(option + " " + Text.safe(typed, 60) + ": write " + usages.stream()
                .filter(usage -> !prefix.isEmpty() && usage.startsWith(prefix)).findFirst()
                .orElse(String.join(", ", usages)));
    }

    /** A store or restart target of the table, with the parts of its address. */
    private record Place(Row row, String name, Map<String, String> parts) implements Store, Target {
        private String text(String template, UnaryOperator<String> form, Map<String, String> more) {
            return filled(chosen(template), form, more);
        }

        private String filled(String template, UnaryOperator<String> form, Map<String, String> more) {
            Map<String, String> all = new HashMap<>(parts);
            all.putAll(more);
            return PART.matcher(template).replaceAll(part ->
                    Matcher.quoteReplacement(form.apply(all.getOrDefault(part.group(1), ""))));
        }

        private String chosen(String template) {
            return OPTIONAL.matcher(template).replaceAll(words -> Matcher.quoteReplacement(
                    parts.keySet().containsAll(names(words.group(1))) ? words.group(1) : ""));
        }

        private String words(String template) {
            return text(template, UnaryOperator.identity(), Map.of());
        }

        private String pasted(String template, String version) {
            return text(template, Text::word, Map.of("version", version)).replaceAll(" {2,}(?! *#)", " ");
        }

        private JsonNode at(JsonNode answer, String pointer) {
            return answer.at(text(pointer, part -> part.replace("~", "~0").replace("/", "~1"), Map.of()));
        }

        // Split before the parts are put in: whatever is in them, they stay one word, and no option.
        private List<String> command(Tool tool, String template, Map<String, String> more) {
            return forShell(template) ? tool.shell(words(template))
                    : Tool.split("stores.json, " + row.id, chosen(template)).stream()
                            .map(word -> text(word, UnaryOperator.identity(), more)).toList();
        }

        private static boolean forShell(String template) {
            return template.matches("\\{\\w+}");
        }

        // ---- running a tool

        private Tool.Output run(Tool tool, List<String> command, String input, Optional<Duration> lasting) throws Trouble {
            Tool.Output output = ended(tool, command, input, lasting);
            if (output.ok()) {
                return output;
            }
            String program = Tool.name(command);
            String said = tool.concealed(output.err().isBlank() ? output.out() : output.err());
            String quoted = Text.safe(Redactor.strict().text(Text.safe(said, 400)), 200);
            // Ended by a signal, it may have done what it was to do. (The AWS CLI's own exit codes are 252 to 255.)
            Trouble.Kind kind = output.exit() > 128 && output.exit() < 193 ? Trouble.Kind.UNKNOWN
                    : Trouble.Kind.REFUSED;
            for (Explanation one : row.explain) {
                if (Pattern.compile(one.when.pattern(), Pattern.CASE_INSENSITIVE).matcher(said).find()) {
                    throw new Trouble(kind, words(one.means) + " (" + program + ": " + quoted + ")", mends(one.action));
                }
            }
            throw new Trouble(kind, program + " ended with exit code " + output.exit()
                    + (quoted.isEmpty() ? " and said nothing" : ": " + quoted), "");
        }

        private Tool.Output ended(Tool tool, List<String> command, String input, Optional<Duration> lasting) throws Trouble {
            try {
                return lasting.isPresent() ? tool.lasting(command, lasting.get()) : tool.run(command, input,
                        tool.timeout(), Map.of());
            } catch (Tool.Failure e) {
                boolean missing = e.kind() == Tool.Failure.Kind.MISSING;
                throw new Trouble(missing ? Trouble.Kind.MISSING : Trouble.Kind.UNKNOWN, e.getMessage(), missing
                        ? row.install.orElse("install " + Tool.name(command) + ", or put it on the PATH")
                        : "run it by hand to see why: " + Tool.shown(command));
            }
        }

        private String mends(List<String> actions) {
            return actions.stream().map(action -> pasted(action, "")).collect(Collectors.joining("\n"));
        }

        // Nothing at all is an answer too: a list without the name that was asked for.
        private JsonNode answer(Tool tool, List<String> command) throws Trouble {
            Tool.Output output = run(tool, command, "", Optional.empty());
            JsonNode json = row.decode.equals(Optional.of(Decode.TEXT)) ? Json.of(output.out().strip()) : output.json();
            return is(!json.isMissingNode() || output.out().isBlank(), json, command);
        }

        private static <T> T is(boolean right, T answer, List<String> command) throws Trouble {
            if (!right) {
                throw new Trouble(Trouble.Kind.UNKNOWN, Tool.name(command)
                        + " succeeded, but its answer is not what it should be", "look at it: " + Tool.shown(command));
            }
            return answer;
        }

        /** What it answers, having what has to be so; {@code first} asks what costs a command of its own as well. */
        private JsonNode checked(Tool tool, String template, Map<String, String> more, boolean first) throws Trouble {
            JsonNode answer = template.isEmpty() ? Json.object() : answer(tool, command(tool, template, more));
            for (Check check : Stream.concat(row.need.stream(), row.refuse.stream()).toList()) {
                String found = null;
                if (check.run.isPresent() && first) {
                    // A question that cannot be answered does no harm: the benefit of the doubt.
                    found = ended(tool, command(tool, check.run.get(), Map.of()), "", Optional.empty()).out();
                } else if (check.run.isPresent()) {
                    continue;
                } else if (at(answer, check.at.orElse("")).isValueNode()) {
                    found = at(answer, check.at.orElse("")).asText();
                }
                if ((found != null && check.is.matcher(found).find()) == row.refuse.contains(check)) {
                    throw Trouble.refused(words(check.means), mends(check.action));
                }
            }
            return answer;
        }

        private void present(Tool tool, String template) throws Trouble {
            try {
                Optional<String> missing = forShell(template) ? tool.missingIn(words(template)) : Optional.empty();
                if (missing.isPresent()) {
                    throw new Trouble(Trouble.Kind.MISSING, "exec: " + Text.safe(missing.get(), 80) + " is not there",
                            "install " + missing.get() + ", or put it on the PATH");
                }
            } catch (Tool.Failure e) {
                throw Trouble.unknown(e.getMessage());
            }
        }

        // ---- as a store

        @Override
        public String identity() {
            Map<String, String> whole = new TreeMap<>(parts);
            whole.remove(row.inside.isPresent() ? "field" : "");
            return row.id + whole;
        }

        @Override
        public String reading() {
            return row.read.map(read -> Tool.shown(command(NO_TOOL, read, Map.of()))).orElse("");
        }

        @Override
        public String writing() {
            String what = !inside().isEmpty() ? "the JSON secret with the key in it"
                    : row.stdin.orElseThrow().isTextual() ? "the key" : "JSON with the key in it";
            return Tool.shown(writes(NO_TOOL)) + "   # " + what + " on standard input";
        }

        private List<String> writes(Tool tool) {
            return command(tool, row.write.orElseThrow(), Map.of("stdin", "/dev/stdin"));
        }

        private String inside() {
            return row.inside.map(this::words).orElse("");
        }

        @Override
        public boolean readable() {
            return row.read.isPresent() && row.value.isPresent();
        }

        @Override
        public String note() {
            return row.note.orElse(readable() ? "" : "write-only: it gives no value back, so step 4 cannot compare it");
        }

        @Override
        public String undo(String version) {
            return row.undo.map(undo -> pasted(undo, version)).orElse("");
        }

        @Override
        public String show() {
            return row.show.map(show -> pasted(show, "")).orElse("");
        }

        @Override
        public Held inspect(Tool tool) throws Trouble {
            if (tool.windows() && row.write.filter(write -> write.contains("{stdin}")).isPresent()) {
                throw Trouble.refused("Windows has no /dev/stdin, and the key goes no other way into "
                        + Tool.name(writes(tool)), "run this in WSL, or on another machine");
            }
            present(tool, row.write.orElseThrow());
            return held(tool, row.read.orElse(""), "", true);
        }

        @Override
        public Held read(Tool tool) throws Trouble {
            return row.read.isPresent() ? held(tool, row.read.get(), "", false) : new Held(Optional.empty(), "");
        }

        @Override
        public Optional<Key> recall(Tool tool, String version) throws Trouble {
            return version.isEmpty() || row.readAt.isEmpty() ? Optional.empty()
                    : held(tool, row.readAt.get(), version, false).key();
        }

        private Held held(Tool tool, String template, String at, boolean first) throws Trouble {
            JsonNode answer = checked(tool, template, Map.of("version", at), first);
            String version = row.version.map(pointer -> at(answer, pointer).asText().replaceFirst(".*/", ""))
                    .orElse("");
            if (!readable()) {
                return new Held(Optional.empty(), version);
            }
            String value = decoded(answer, command(tool, template, Map.of("version", at)));
            return Held.of(inside().isEmpty() ? value : field(value).value, version);
        }

        // gcloud prints bytes in the URL-safe alphabet, the API itself in the usual one.
        private String decoded(JsonNode answer, List<String> command) throws Trouble {
            JsonNode node = at(answer, row.value.orElseThrow());
            String text = is(node.isTextual(), node, command).asText();
            try {
                return row.decode.equals(Optional.of(Decode.BASE64)) ? new String(Base64.getDecoder()
                        .decode(text.replace('-', '+').replace('_', '/')), StandardCharsets.UTF_8) : text;
            } catch (IllegalArgumentException e) {
                return is(false, "", command);
            }
        }

        @Override
        public void write(Tool tool, Key key) throws Trouble {
            String value = key.reveal();
            if (!inside().isEmpty()) {
                // Read again just before: somebody may have changed another field meanwhile.
                List<String> reading = command(tool, row.read.orElseThrow(), Map.of());
                String document = decoded(answer(tool, reading), reading);
                Span field = field(document);
                value = document.substring(0, field.begin) + Json.line(Json.of(value)) + document.substring(field.end);
            }
            Map<String, String> forms = Map.of("key", value, "key:base64",
                    Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8)));
            JsonNode stdin = row.stdin.orElseThrow();
            String fed = stdin.isTextual() ? filled(stdin.asText(), UnaryOperator.identity(), forms)
                    : filled(Json.line(stdin), part -> Json.line(Json.of(part)).replaceAll("^\"|\"$", ""), forms);
            run(tool, writes(tool), fed, Optional.empty());
        }

        /** A text at the top of a JSON document: where its token begins and ends, quotes included. */
        private record Span(String value, int begin, int end) { }

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
            throw Trouble.refused(name + ": the secret is no JSON document with a text field " + inside(), pasted(
                    row.show.orElse(row.read.orElse("")).replaceFirst("\\[ \\| jq.*", " | jq keys"), ""));
        }

        // ---- as a restart target

        @Override
        public String restarting(Duration within) {
            return row.restart.stream().map(one -> Tool.shown(command(NO_TOOL, one, times(within))))
                    .collect(Collectors.joining(" && "));
        }

        private static Map<String, String> times(Duration within) {
            return Map.of("within", Long.toString(Math.max(1, within.toSeconds())), "now",
                    Long.toString(Instant.now().getEpochSecond()));
        }

        @Override
        public void reach(Tool tool) throws Trouble {
            present(tool, row.restart.get(0));
            JsonNode answer = checked(tool, row.read.orElse(""), Map.of(), true);
            if (row.read.isPresent() && row.mark.isPresent()) {
                is(at(answer, row.mark.get()).isValueNode(), answer, command(tool, row.read.get(), Map.of()));
            }
        }

        @Override
        public Optional<String> mark(Tool tool) throws Trouble {
            return row.read.isEmpty() || row.mark.isEmpty() ? Optional.empty()
                    : Optional.of(Text.safe(at(answer(tool, command(tool, row.read.get(), Map.of())), row.mark.get())
                    .asText(), 60)).filter(mark -> !mark.isEmpty());
        }

        @Override
        public void restart(Tool tool, Duration within) throws Trouble {
            for (String template : row.restart) {
                run(tool, command(tool, template, times(within)), "", Optional.of(within));
            }
        }
    }
}
