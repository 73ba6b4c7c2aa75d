package runbook.rotation;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.regex.MatchResult;
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
import runbook.Tool.Command;
import runbook.redact.Redactor;
import runbook.rotation.Rotation.Trouble;

/**
 * Secret stores and restart targets, as the rows of {@code stores.json} describe them and as somebody typed them.
 * Every value
 * travels by a tool's standard input, and comes back by its standard output into memory.
 */
public final class Stores {
    /** A name in braces: the part of the address that stands there. */
    private static final Pattern PART = Pattern.compile("\\{(\\w+(?::\\w+)?)}");
    /** Words in brackets: left away where a part in them was not given. */
    private static final Pattern OPTIONAL = Pattern.compile("\\[([^\\[\\]{}]*\\{\\w+}[^\\[\\]{}]*)]");
    private static final String WORD = "[A-Za-z0-9_][A-Za-z0-9_.-]*";
    /** Knows how a command is written, and runs none. */
    private static final Tool NO_TOOL = new Tool(Map.of(), Path.of(""), Duration.ZERO, "");
    private static final String DOTENV = "file:PATH#VAR";
    /** A comma, and what begins like another address. */
    private static final String NEXT = "\\s*,\\s*(?=[a-z0-9-]+:\\S)";

    private final Map<String, Row> rows;

    private Stores(Map<String, Row> rows) {
        this.rows = rows;
    }

    /**
     * The table, a team's own where there is one.
     *
     * @throws Problem that names file, row and field
     */
    public static Stores of(Templates templates) {
        return new Stores(templates.table("stores.json", Row.class));
    }

    /**
     * How a tool's answer is read: JSON with the value as it is, or in base64; or the value itself, less its line end.
     */
    public enum Decode { PLAIN, BASE64, TEXT }

    /**
     * What has to be (or must not be) so: {@code is} found in what {@code run} prints, or else at a place in the
     * answer of {@code read}.
     */
    public record Check(Optional<String> run, Optional<String> at, Pattern is, String means, List<String> action) {
        Stream<String> texts() {
            return Stream.concat(Stream.of(run, at).flatMap(Optional::stream),
                    Stream.concat(Stream.of(means), action.stream()));
        }
    }

    /** What a tool says when it fails, what that means, and the commands that mend it. */
    public record Explanation(Pattern when, String means, List<String> action) {
        /** Any case fits. */
        public Explanation {
            when = Pattern.compile(when.pattern(), Pattern.CASE_INSENSITIVE);
        }
    }

    /**
     * A row. Commands are words, {@code {part}} a part of the address, {@code [… {part} …]} left away where that was
     * not given; a command that is one part alone is a line for the shell. A row with {@code restart} is a restart
     * target, else a store.
     *
     * @param address  how it is written; parts without a pattern in {@code parts} are plain names
     * @param read     prints what is there, JSON unless {@code decode} is {@code text}; none where nothing can be read
     * @param value    where the value stands in that, a JSON Pointer; none for a store that gives no value back
     * @param inside   the name of the field, where the value is a JSON document that has the key in it
     * @param version  where the store's own name for the value stands (what follows its last slash counts)
     * @param readAt   reads an earlier value by its {@code {version}}
     * @param write    stores what it reads from standard input; {@code {stdin}} where it wants a file's name
     * @param stdin    what it reads: the only place that has {@code {key}}, or {@code {key:base64}}
     * @param restart  restarts and waits until it runs again; {@code {within}} is the time in seconds, {@code {now}}
     *                 that of day
     * @param mark     where something stands that changes with each restart
     * @param need     what has to be so before anything changes
     * @param refuse   what must not be so
     * @param undo     what a person pastes to bring {@code {version}} back
     * @param show     what prints the value
     * @param note     what people should know before they say yes
     * @param explain  the first that fits what the tool says counts
     * @param install  how to get the tool
     */
    public record Row(String id, List<String> address, Map<String, Pattern> parts, Optional<String> read,
            Optional<String> value,
            Optional<Decode> decode, Optional<String> inside, Optional<String> version, Optional<String> readAt,
            Optional<String> write, Optional<JsonNode> stdin, List<String> restart, Optional<String> mark,
                    List<Check> need,
            List<Check> refuse, Optional<String> undo, Optional<String> show, Optional<String> note,
                    List<Explanation> explain,
            Optional<String> install) {
        /** Refuses a row that could show the key, or that names what its address does not have. */
        public Row {
            if (address.isEmpty() || !address.stream().allMatch(form -> form.matches("[a-z0-9-]+:.*\\{\\w+}.*"))) {
                throw new IllegalArgumentException("address has to be a list of forms: [\"name:{part}/{part}\"]");
            }
            if (restart.isEmpty() && (write.isEmpty() || stdin.isEmpty() || !stdin.get().toString().contains("{key"))) {
                throw new IllegalArgumentException("has neither restart, nor write with a stdin that has {key} in it");
            }
            List<String> known = address.stream().flatMap(form -> names(form).stream()).toList();
            Map<String, Stream<String>> texts = new TreeMap<>(Map.of("read", read.stream(), "value", value.stream(),
                    "inside", inside.stream(), "version", version.stream(), "mark", mark.stream(), "show",
                            show.stream(),
                    "need", need.stream().flatMap(Check::texts), "refuse", refuse.stream().flatMap(Check::texts)));
            texts.put("explain", explain.stream().flatMap(one -> Stream.concat(Stream.of(one.means),
                    one.action.stream())));
            texts.forEach((field, some) -> some.forEach(text -> known(field, text, known)));
            Stream.of(readAt, undo).flatMap(Optional::stream).forEach(text ->
                    known("readAt or undo", text, known, "version"));
            write.ifPresent(text -> known("write", text, known, "stdin"));
            restart.forEach(text -> known("restart", text, known, "within", "now"));
            stdin.ifPresent(node -> known("stdin", node.toString(), known, "key", "key:base64"));
        }

        private static void known(String field, String text, Collection<String> parts, String... more) {
            for (String name : names(text)) {
                if (name.startsWith("key") && !List.of(more).contains("key") && !parts.contains(name)) {
                    throw new IllegalArgumentException(field + " has {" + name
                            + "} in it: the key goes by stdin alone");
                } else if (!parts.contains(name) && !List.of(more).contains(name)) {
                    throw new IllegalArgumentException(field + " has {" + name + "} in it, which the address does not");
                }
            }
        }

        private static List<String> names(String text) {
            return PART.matcher(text).results().map(found -> found.group(1)).toList();
        }

        private Optional<Map<String, String>> parse(String typed) {
            for (String form : address) {
                Matcher matcher = Pattern.compile(pattern(form), Pattern.DOTALL).matcher(typed);
                if (matcher.matches()) {
                    Map<String, String> given = new TreeMap<>();
                    names(form).stream().filter(name -> matcher.group(name) != null)
                            .forEach(name -> given.put(name, matcher.group(name)));
                    return Optional.of(given);
                }
            }
            return Optional.empty();
        }

        // Names never start with a dash: no tool can take one for an option.
        private String pattern(String form) {
            String optional = OPTIONAL.matcher(form).replaceAll("\u0001$1\u0002");
            StringBuilder pattern = new StringBuilder();
            Matcher part = Pattern.compile("\\{(\\w+)}|[^{]+").matcher(optional);
            while (part.find()) {
                Pattern own = part.group(1) == null ? null : parts.get(part.group(1));
                pattern.append(part.group(1) == null ? Pattern.quote(part.group()).replace("\u0001", "\\E(?:\\Q")
                        .replace("\u0002", "\\E)?\\Q")
                        : "(?<" + part.group(1) + ">" + (own == null ? WORD : own.pattern()) + ")");
            }
            return pattern.toString();
        }

        String usage() {
            return PART.matcher(address.get(0)).replaceAll(part -> part.group(1).toUpperCase());
        }

        boolean target() {
            return !restart.isEmpty();
        }
    }

    /** What a store holds: the value, where it gives it back, and its own name for it, where it has one. */
    record Held(Optional<Key> key, String version) {
        static Held of(String value, String version) {
            return new Held(Optional.of(Key.of(value)), version);
        }

        boolean holds(String fingerprint) {
            return key.filter(held -> held.fingerprint().equals(fingerprint)).isPresent();
        }

        @Override
        public String toString() {
            return key.map(held -> held.reveal().isEmpty() ? "nothing" : "sha256 " + held.fingerprint())
                    .orElse("something") + versionWords();
        }

        String versionWords() {
            return version.isEmpty() ? "" : ", version " + Text.safe(version, 40);
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

        /** How the value travels, for the plan. */
        String route();

        /**
         * What it holds, and all that would keep {@link #write} from working, as far as that can be known without
         * writing.
         */
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

        /** Finds out all that would keep a restart from working, as far as that can be known without restarting. */
        void reach(Tool tool) throws Trouble;

        /** What changes with every restart; empty where nothing tells. */
        Optional<String> mark(Tool tool) throws Trouble;

        /** Restarts it, and returns once it runs again. */
        void restart(Tool tool, Duration within) throws Trouble;
    }

    // ---- what was typed

    /** What one option holds, which in a settings file may be several with a comma between them. */
    public static List<String> split(List<String> given) {
        return given.stream().flatMap(one -> one.startsWith("exec:") ? Stream.of(one) : Stream.of(one.split(NEXT)))
                .toList();
    }

    /**
     * The store that was typed after {@code --to}.
     *
     * @throws Problem that shows how it is written, when it is none
     */
    public Store store(Cli.Host host, String typed) {
        refuseKey("--to", typed);
        Optional<DotenvFile> file = DotenvFile.of(host, typed);
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
            throw new Problem(option + " has a key in it, where every process list shows it: let the command"
                    + " read it from" + " standard input");
        }
    }

    private Place place(String option, String typed, boolean target) {
        List<Row> some = rows.values().stream().filter(row -> row.target() == target).toList();
        for (Row row : some) {
            Optional<Map<String, String>> given = row.parse(typed);
            if (given.isPresent()) {
                return new Place(row, typed, given.get());
            }
        }
        List<String> usages = Stream.concat(some.stream().map(Row::usage), target ? Stream.of() : Stream.of(DOTENV))
                .toList();
        String prefix = typed.substring(0, typed.indexOf(':') + 1);
        throw new Problem(option + " " + Text.safe(typed, 60) + ": write " + usages.stream()
                .filter(usage -> !prefix.isEmpty() && usage.startsWith(prefix)).findFirst()
                        .orElse(String.join(", ", usages)));
    }

    // ---- a row with its parts

    /** A store or restart target of the table. */
    private record Place(Row row, String name, Map<String, String> parts) implements Store, Target {
        @Override
        public String identity() {
            Map<String, String> whole = new TreeMap<>(parts);
            whole.remove(row.inside.isPresent() ? "field" : "");
            return row.id + whole;
        }

        private String text(String template, UnaryOperator<String> form, Map<String, String> more) {
            Map<String, String> all = new HashMap<>(parts);
            all.putAll(more);
            return PART.matcher(chosen(template, all)).replaceAll(part ->
                    Matcher.quoteReplacement(form.apply(all.getOrDefault(part.group(1), ""))));
        }

        private static String chosen(String template, Map<String, String> given) {
            return OPTIONAL.matcher(template).replaceAll(words -> Matcher.quoteReplacement(
                    Row.names(words.group(1)).stream().allMatch(given::containsKey) ? words.group(1) : ""));
        }

        private String words(String template) {
            return text(template, UnaryOperator.identity(), Map.of());
        }

        private String pasted(String template, Map<String, String> more) {
            return text(template, Text::word, more).replaceAll(" {2,}(?! *#)", " ");
        }

        private String at(String pointer) {
            return text(pointer, part -> part.replace("~", "~0").replace("/", "~1"), Map.of());
        }

        private Command command(Tool tool, String template, Map<String, String> more) {
            if (template.matches("\\{\\w+}")) {
                return tool.shell(words(template));
            }
            // Split before the parts are put in: whatever is in them, they stay one word, and no option.
            return Command.of(Tool.split("stores.json, " + row.id, chosen(template, parts)).words().stream()
                    .map(word -> text(word, UnaryOperator.identity(), more)).toList());
        }

        private String shown(String template, Map<String, String> more) {
            return command(NO_TOOL, template, more).shown();
        }

        private String output(Tool tool, Command command, String input) throws Trouble {
            try {
                return successful(tool, command, tool.run(command, input, tool.timeout())).out();
            } catch (Tool.Failure e) {
                throw failed(command, e);
            }
        }

        private Trouble failed(Command command, Tool.Failure e) {
            boolean missing = e.kind() == Tool.Failure.Kind.MISSING;
            return new Trouble(missing ? Trouble.Kind.MISSING : Trouble.Kind.UNKNOWN, e.getMessage(),
                    missing ? row.install.orElse("install " + command.program() + ", or put it on the PATH")
                            : "run it by hand to see why: " + command.shown());
        }

        private Tool.Output successful(Tool tool, Command command, Tool.Output output) throws Trouble {
            if (output.ok()) {
                return output;
            }
            String program = command.program().replaceFirst(".*/", "");
            String said = tool.concealed(output.err().isBlank() ? output.out() : output.err());
            String quoted = Text.safe(Redactor.strict().text(Text.safe(said, 400)), 200);
            // Ended by a signal, it may have done what it was to do. (The AWS CLI's own exit codes are 252 to 255.)
            Trouble.Kind kind = output.exit() > 128 && output.exit() < 193 ? Trouble.Kind.UNKNOWN
                    : Trouble.Kind.REFUSED;
            for (Explanation one : row.explain) {
                if (one.when.matcher(said).find()) {
                    throw new Trouble(kind, words(one.means) + " (" + program + ": " + quoted + ")", mends(one.action));
                }
            }
            throw new Trouble(kind, program + " ended with exit code " + output.exit()
                    + (quoted.isEmpty() ? " and said nothing" : ": " + quoted), "");
        }

        private String mends(List<String> actions) {
            return actions.stream().map(action -> pasted(action, Map.of())).collect(Collectors.joining("\n"));
        }

        private JsonNode answer(Tool tool, Command command) throws Trouble {
            String out = output(tool, command, "");
            JsonNode json = row.decode.filter(Decode.TEXT::equals).isPresent() ? Json.of(out.strip())
                    : new Tool.Output(0, out, "").json();
            // Nothing at all is an answer too: a list without the name that was asked for.
            if (json.isMissingNode() && !out.isBlank()) {
                throw garbled(command);
            }
            return json;
        }

        private static Trouble garbled(Command command) {
            return new Trouble(Trouble.Kind.UNKNOWN, command.program()
                    + " succeeded, but its answer is not what it should be",
                    "look at it: " + command.shown());
        }

        private void check(Tool tool, JsonNode answer, boolean all) throws Trouble {
            for (Check check : Stream.concat(row.need.stream(), row.refuse.stream()).toList()) {
                // A question that cannot be answered does no harm: the benefit of the doubt.
                if (check.run.isPresent() && all) {
                    Command question = command(tool, check.run.get(), Map.of());
                    try {
                        judge(check, Optional.of(tool.run(question).out()));
                    } catch (Tool.Failure e) {
                        throw failed(question, e);
                    }
                } else if (check.run.isEmpty()) {
                    JsonNode found = answer.at(at(check.at.orElse("")));
                    judge(check, found.isValueNode() ? Optional.of(found.asText()) : Optional.empty());
                }
            }
        }

        private void judge(Check check, Optional<String> text) throws Trouble {
            boolean found = text.filter(one -> check.is.matcher(one).find()).isPresent();
            if (found == row.refuse.contains(check)) {
                throw new Trouble(Trouble.Kind.REFUSED, words(check.means), mends(check.action));
            }
        }

        // ---- as a store

        @Override
        public String reading() {
            return row.read.map(read -> shown(read, Map.of())).orElse("");
        }

        @Override
        public String writing() {
            String what = inside().isEmpty() ? row.stdin.orElseThrow().isTextual() ? "the key"
                    : "JSON with the key in it" : "the JSON secret with the key in it";
            return shown(row.write.orElseThrow(), Map.of("stdin", "/dev/stdin")) + "   # " + what
                    + " on standard input";
        }

        @Override
        public String route() {
            return "by standard input of " + row.write.filter(write -> !write.startsWith("{"))
                    .map(write -> write.split(" ")[0]).orElse("that command");
        }

        private Optional<String> inside() {
            return row.inside.map(this::words).filter(field -> !field.isEmpty());
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
        public Held inspect(Tool tool) throws Trouble {
            if (tool.windows() && row.write.filter(write -> write.contains("{stdin}")).isPresent()) {
                throw new Trouble(Trouble.Kind.REFUSED, "Windows has no /dev/stdin, and the key goes no other way into "
                        + command(tool, row.write.get(), Map.of()).program(), "run this in WSL, or on another machine");
            }
            present(tool, row.write.orElseThrow());
            if (row.read.isEmpty()) {
                check(tool, Json.object(), true);
                return new Held(Optional.empty(), "");
            }
            return held(tool, row.read.get(), Map.of(), true);
        }

        private void present(Tool tool, String template) throws Trouble {
            try {
                Optional<String> missing = template.matches("\\{\\w+}") ? tool.missingIn(words(template))
                        : Optional.empty();
                if (missing.isPresent()) {
                    throw new Trouble(Trouble.Kind.MISSING, "exec: " + Text.safe(missing.get(), 80) + " is not there",
                            "install " + missing.get() + ", or put it on the PATH");
                }
            } catch (Tool.Failure e) {
                throw failed(Command.of("sh"), e);
            }
        }

        @Override
        public Held read(Tool tool) throws Trouble {
            return row.read.isPresent() ? held(tool, row.read.get(), Map.of(), false) : new Held(Optional.empty(), "");
        }

        private Held held(Tool tool, String template, Map<String, String> more, boolean all) throws Trouble {
            Command command = command(tool, template, more);
            JsonNode answer = answer(tool, command);
            check(tool, answer, all);
            String version = row.version.map(this::at).map(answer::at).map(node -> node.asText()
                    .replaceFirst(".*/", "")).orElse("");
            if (row.value.isEmpty()) {
                return new Held(Optional.empty(), version);
            }
            String value = decoded(answer.at(at(row.value.get())), command);
            Optional<String> inside = inside();
            return Held.of(inside.isEmpty() ? value : value(value, inside.get())
                    .orElseThrow(() -> noField(inside.get())), version);
        }

        private Trouble noField(String field) {
            return new Trouble(Trouble.Kind.REFUSED, name + ": the secret is no JSON document with a text field "
                    + field,
                    pasted(row.show.orElse(row.read.orElse("")).replaceFirst("\\[ \\| jq.*", " | jq keys"), Map.of()));
        }

        // gcloud prints bytes in the URL-safe alphabet, the API itself in the usual one.
        private String decoded(JsonNode node, Command command) throws Trouble {
            if (!node.isTextual()) {
                throw garbled(command);
            } else if (row.decode.filter(Decode.BASE64::equals).isEmpty()) {
                return node.asText();
            }
            try {
                byte[] bytes = Base64.getDecoder().decode(node.asText().replace('-', '+').replace('_', '/'));
                return new String(bytes, StandardCharsets.UTF_8);
            } catch (IllegalArgumentException e) {
                throw garbled(command);
            }
        }

        @Override
        public void write(Tool tool, Key key) throws Trouble {
            String value = key.reveal();
            Optional<String> inside = inside();
            if (inside.isPresent()) {
                // Read again just before: somebody may have changed another field meanwhile.
                Command reading = command(tool, row.read.orElseThrow(), Map.of());
                String document = decoded(answer(tool, reading).at(at(row.value.orElseThrow())), reading);
                value = replaced(document, inside.get(), value).orElseThrow(() -> noField(inside.get()));
            }
            output(tool, command(tool, row.write.orElseThrow(), Map.of("stdin", "/dev/stdin")), stdin(value));
        }

        private String stdin(String value) {
            Map<String, String> key = Map.of("key", value,
                    "key:base64", Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8)));
            JsonNode filled = filled(row.stdin.orElseThrow(), key);
            return filled.isTextual() ? filled.asText() : Json.line(filled);
        }

        private JsonNode filled(JsonNode node, Map<String, String> key) {
            if (node.isObject()) {
                ObjectNode object = Json.object();
                node.fields().forEachRemaining(field -> object.set(words(field.getKey()),
                        filled(field.getValue(), key)));
                return object;
            }
            return node.isTextual() ? Json.of(text(node.asText(), UnaryOperator.identity(), key)) : node;
        }

        @Override
        public Optional<Key> recall(Tool tool, String version) throws Trouble {
            return version.isEmpty() || row.readAt.isEmpty() ? Optional.empty()
                    : held(tool, row.readAt.get(), Map.of("version", version), false).key();
        }

        @Override
        public String undo(String version) {
            return row.undo.map(undo -> pasted(undo, Map.of("version", version))).orElse("");
        }

        @Override
        public String show() {
            return row.show.map(show -> pasted(show, Map.of())).orElse("");
        }

        // ---- as a restart target

        @Override
        public String restarting(Duration within) {
            return row.restart.stream().map(one -> shown(one, times(within))).collect(Collectors.joining(" && "));
        }

        private static Map<String, String> times(Duration within) {
            return Map.of("within", Long.toString(Math.max(1, within.toSeconds())), "now",
                    Long.toString(Instant.now().getEpochSecond()));
        }

        @Override
        public void reach(Tool tool) throws Trouble {
            present(tool, row.restart.get(0));
            if (row.read.isEmpty()) {
                check(tool, Json.object(), true);
                return;
            }
            Command command = command(tool, row.read.get(), Map.of());
            JsonNode answer = answer(tool, command);
            check(tool, answer, true);
            if (row.mark.filter(mark -> !answer.at(at(mark)).isValueNode()).isPresent()) {
                throw garbled(command);
            }
        }

        @Override
        public Optional<String> mark(Tool tool) throws Trouble {
            return row.read.isEmpty() || row.mark.isEmpty() ? Optional.empty()
                    : Optional.of(Text.safe(answer(tool, command(tool, row.read.get(), Map.of()))
                            .at(at(row.mark.get())).asText(), 60)).filter(mark -> !mark.isEmpty());
        }

        @Override
        public void restart(Tool tool, Duration within) throws Trouble {
            for (String template : row.restart) {
                Command command = command(tool, template, times(within));
                try {
                    successful(tool, command, tool.lasting(command, within));
                } catch (Tool.Failure e) {
                    throw failed(command, e);
                }
            }
        }
    }

    // ---- a text field at the top of a JSON document

    /** Where the value's token begins and ends, quotes included. */
    private record Span(String value, int begin, int end) { }

    private static Optional<String> value(String document, String field) {
        return find(document, field).map(Span::value);
    }

    /** The document with another value, every other character as it was; empty where it has no such field. */
    private static Optional<String> replaced(String document, String field, String value) {
        return find(document, field).map(span ->
                document.substring(0, span.begin) + Json.line(Json.of(value)) + document.substring(span.end));
    }

    private static Optional<Span> find(String document, String field) {
        try (JsonParser parser = new JsonFactory().createParser(document.toCharArray())) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken token = parser.nextToken();
                if (name.equals(field) && token == JsonToken.VALUE_STRING) {
                    int begin = (int) parser.currentTokenLocation().getCharOffset();
                    String value = parser.getText();
                    return Optional.of(new Span(value, begin, (int) parser.currentLocation().getCharOffset()));
                }
                parser.skipChildren();
            }
        } catch (IOException e) {
            // No JSON: it has no field either.
        }
        return Optional.empty();
    }
}
