package runbook.rotation;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.*;
import runbook.Message.Form;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.redact.*;
import runbook.rotation.Progress.*;

/**
 * Secret stores and restart targets, as the rows of {@code stores.json} describe them and as somebody typed them. Every
 * value travels by a tool's standard input, and comes back by its standard output into memory.
 */
public final class Stores {
    private static final String FORM = "[a-z0-9-]+:(?:[\\w:/@#,=\\[\\]-]|\\{(?!key})[a-z][A-Za-z0-9]*})*";
    /** A command that is one part alone is a line for the shell; the program that such a line calls first. */
    private static final String FOR_SHELL = "\\{\\w+}";
    private static final Pattern FIRST_WORD = Pattern.compile("\\s*([A-Za-z0-9_./+-]+)(\\s.*)?", Pattern.DOTALL);

    /** The first word of what is done within this process, and not by a tool. */
    public static final String HERE = "rotate-key:";
    private static final String OURS = HERE + " (read|replace) \\{variable} in \\{path}";

    private final Map<String, Row> rows;
    private final Tool tool;
    private final Hands hands;

    /** The table, a team's own rows first, and in place of ours; a {@link Problem} names file, row and field. */
    public Stores(Templates templates, Tool tool, Hands hands) {
        this.tool = tool;
        this.hands = hands;
        rows = templates.laid("stores.json", Row.class);
    }

    /** What runs a command to its end: one with {@code lasting} may take so long, and leave something running. */
    public interface Hands {
        Tool.Output run(List<String> command, String input, Optional<Duration> lasting) throws Tool.Failure;

        /** In earnest: what begins with {@link #HERE} is done within this process. */
        static Hands of(Tool tool) {
            return (command, input, lasting) -> {
                if (command.get(0).equals(HERE)) {
                    return Embedded.run(tool, command, input);
                }
                return lasting.isPresent() ? tool.lasting(command, lasting.get())
                        : tool.run(command, input, Map.of());
            };
        }
    }

    // ---- a row: CONTRIBUTING.md says what each field means

    enum Decode { BASE64, TEXT }

    record Check(Optional<String> run, Optional<JsonPointer> at, Pattern is, String means, List<String> action) {
        Check {
            demand(runs(run.stream()), "run" + NO_COMMAND);
        }
    }

    record Explanation(Pattern when, String means, List<String> action) { }

    /** A restart target where it has {@code restart}, else a store. */
    record Row(String id, List<String> address, Map<String, Pattern> parts, Optional<String> read,
            Optional<JsonPointer> value, Optional<Decode> decode, Optional<String> inside,
            Optional<JsonPointer> version, Optional<String> readAt, Optional<String> write, Optional<JsonNode> stdin,
            List<String> restart, Optional<JsonPointer> mark, List<Check> need, List<Check> refuse,
            Optional<String> undo, Optional<String> show, Optional<String> note, List<Explanation> explain,
            Optional<String> install) {
        // Refuses a row that could show the key, names what its address does not have, or would fail when it is used.
        Row {
            String input = stdin.map(Json::line).orElse("");
            demand(!address.isEmpty() && address.stream().allMatch(form -> form.matches(FORM) && form.contains("{")),
                    "address has to be a list of forms: [\"name:{part}/{part}\"]");
            try {
                address.forEach(form -> new Form(form).read("", parts));
            } catch (PatternSyntaxException e) {
                demand(false, "address and parts make no pattern: each part once in a form, brackets closed");
            }
            boolean store = write.isPresent() && input.contains("{key");
            demand(restart.isEmpty() == store, "has to have restart, or else write with a stdin that has {key} in it");
            Map.of("read", read.stream(), "readAt", readAt.stream(), "write", write.stream(), "restart",
                    restart.stream()).forEach((field, commands) -> demand(runs(commands), field + NO_COMMAND));
            Map.of("value", value, "version", version, "mark", mark).forEach((field, at) ->
                    demand(at.isEmpty() || read.isPresent(), "has no read, in which " + field + " stands"));
            List<String> known = new ArrayList<>(List.of("version", "within", "now"));
            address.forEach(form -> known.addAll(new Form(form).parts()));
            Map<String, Object> fields = new TreeMap<>(Map.of("value", value, "inside", inside, "version", version,
                    "mark", mark, "need", need, "refuse", refuse, "readAt", readAt, "undo", undo, "show", show));
            fields.putAll(Map.of("read", read, "write", write, "restart", restart, "explain", explain,
                    "stdin", input.replaceAll("\\{key(:base64)?}", ""),
                    "parts", parts.keySet().stream().map(name -> "{" + name + "}").toList()));
            fields.forEach((field, held) -> new Form(held.toString()).parts().forEach(name ->
                    demand(known.contains(name), field + " has {" + name + "} in it" + (name.startsWith("key")
                            ? ": the key goes by stdin alone" : ", which the address does not"))));
        }

        String usage() {
            return Pattern.compile("\\{(\\w+)}").matcher(address.get(0)).replaceAll(part ->
                    part.group(1).toUpperCase(Locale.ROOT));
        }

        /** The parts of what somebody typed; empty when it is no address of this row. */
        Optional<Map<String, String>> parse(String typed) {
            return address.stream().flatMap(form -> new Form(form).read(typed, parts).stream()).findFirst();
        }
    }

    private static final String NO_COMMAND = " is no command: words, and quotes that are closed";

    private static void demand(boolean right, String what) {
        if (!right) {
            throw new IllegalArgumentException(what);
        }
    }

    private static boolean runs(Stream<String> lines) {
        try {
            return lines.allMatch(line -> !Text.split("", line).get(0).equals(HERE) || line.matches(OURS));
        } catch (Problem e) {
            return false;
        }
    }

    // ---- an address

    private List<Row> rows(boolean targets) {
        return rows.values().stream().filter(row -> row.restart.isEmpty() != targets).toList();
    }

    /** How stores, or restart targets, that begin so are written: {@code gcp:SECRET[@PROJECT], …}. */
    public String usages(boolean targets, String prefix) {
        return rows(targets).stream().map(Row::usage).filter(usage -> usage.startsWith(prefix))
                .collect(Collectors.joining(", "));
    }

    /** What was typed after {@code --to} or {@code --restart}; a {@link Problem} shows how one is written. */
    public List<Place> places(Screen.Host host, String option, List<String> typed) {
        return typed.stream().flatMap(Form::each).map(one -> place(host, option, one)).distinct().toList();
    }

    private Place place(Screen.Host host, String option, String typed) {
        boolean targets = option.equals("--restart");
        String alike = usages(targets, typed.replaceFirst("(?s):.*", ":"));
        Place place = rows(targets).stream().flatMap(row -> row.parse(typed).stream().map(parts ->
                new Place(row, typed, parts, tool, hands))).findFirst().orElseThrow(() -> new Problem(option + " "
                + Text.safe(typed, 60) + ": write " + (alike.isEmpty() ? usages(targets, "") : alike)));
        if (tool.windows() && place.row.write.orElse("").contains("/dev/stdin")) {
            throw new Problem(Rotation.REFUSED, option + " " + typed + ": Windows has no /dev/stdin, and the key goes"
                    + " no other way into its tool: run this in WSL, or on another machine");
        }
        // A file by its path in full: no shell expands ~ there.
        return place.file().map(path -> host.path(path.startsWith("~/") ? host.home() + path.substring(1) : path))
                .map(path -> place.at(path.toAbsolutePath().normalize())).orElse(place);
    }

    /**
     * What a store holds: the key, where it gives that back; its own name for it, where it has one; the value that the
     * key is part of; and by what it is known: the key's fingerprint, or else that name, empty where nothing tells.
     */
    record Held(Optional<Key> key, String version, String whole, String mark) {
        static final Held UNSEEN = new Held(Optional.empty(), "", "", "");
    }

    /** A store or restart target: a row, and the parts of its address as somebody typed it after an option. */
    public record Place(Row row, String name, Map<String, String> parts, Tool tool, Hands hands) {
        // ---- words and commands

        private String filled(String template, Map<String, String> more, UnaryOperator<String> written) {
            Map<String, String> values = new HashMap<>(parts);
            values.putAll(more);
            return new Form(template).filled(values, written);
        }

        private String words(String template) {
            return filled(template, Map.of(), UnaryOperator.identity());
        }

        // As it can be pasted; a command that is one part alone is a line for the shell.
        private String line(String template, Map<String, String> more) {
            return template.matches(FOR_SHELL) ? words(template) : filled(template, more, Text::word);
        }

        private String shown(Optional<String> template) {
            return template.map(one -> line(one, Map.of())).filter(one -> !one.startsWith(HERE)).orElse("");
        }

        String reading() {
            return shown(row.read);
        }

        String writing() {
            return shown(row.write) + (shown(row.write).isEmpty() ? "" : "   # the key on standard input");
        }

        /** The command by which a person brings an earlier value back; empty where the store has no history. */
        String undo(String version) {
            return version.isEmpty() ? "" : row.undo.map(undo -> line(undo, Map.of("version", version))).orElse("");
        }

        /** A shell's words that print the value; empty where none do. */
        public Optional<String> show() {
            return row.show.map(show -> line(show, Map.of()));
        }

        /** What it is, however it was written, and less the field in it: two rotations of it never run at once. */
        String identity() {
            Map<String, String> whole = new TreeMap<>(parts);
            whole.keySet().removeAll(List.of("field", "variable"));
            file().ifPresent(name -> whole.put("path", Embedded.real(name).toString()));
            return row.id + whole;
        }

        boolean readable() {
            return row.read.isPresent() && row.value.isPresent();
        }

        /** Removes what a replacing that was cut short has left. */
        void tidy() {
            file().ifPresent(Embedded::tidy);
        }

        // The dotenv file that it is.
        private Optional<String> file() {
            return row.write.filter(command -> command.startsWith(HERE)).map(command -> parts.get("path"));
        }

        private Place at(Path file) {
            parts.put("path", file.toString());
            return new Place(row, new Form(row.address.get(0)).filled(parts, part -> part), parts, tool, hands);
        }

        /** What people should know before they say yes; may be empty. */
        String note() {
            return row.note.orElse(readable() ? "" : "write-only: it gives no value back, so step 4 cannot compare it");
        }

        // ---- running a tool

        // Whatever is in the parts, they stay one word, and no option; one that is the whole line is one for the shell.
        private List<String> command(String template, Map<String, String> more) {
            String line = line(template, more);
            return template.matches(FOR_SHELL) ? tool.shell(line) : Text.split("stores.json, " + row.id, line);
        }

        private Tool.Output ended(List<String> command, String input, Optional<Duration> lasting) {
            try {
                return hands.run(command, input, lasting);
            } catch (Tool.Failure e) {
                String install = row.install.orElse("install " + Tool.name(command) + ", or put it on the PATH");
                throw e.missing() ? new Trouble(Effect.NONE, e.getMessage(), install) : new Trouble(Effect.UNKNOWN,
                        e.getMessage(), "run it by hand to see why: " + Tool.shown(command));
            }
        }

        private String run(String template, Map<String, String> more, String input, Optional<Duration> lasting) {
            List<String> command = command(template, more);
            Tool.Output output = ended(command, input, lasting);
            if (output.ok()) {
                return output.out();
            }
            String said = tool.concealed(output.err().isBlank() ? output.out() : output.err());
            String quoted = Text.safe(Redactor.strict().text(Text.safe(said, 400)), 200);
            // Ended by a signal, it may have done what it was to do. (The AWS CLI's own exit codes are 252 to 255.)
            Effect effect = output.exit() > 128 && output.exit() < 193 ? Effect.UNKNOWN : Effect.DENIED;
            String program = Tool.name(command);
            for (Explanation one : row.explain) {
                if (Pattern.compile("(?i)" + one.when).matcher(said).find()) {
                    throw trouble(effect, words(one.means) + " (" + program + ": " + quoted + ")", one.action);
                }
            }
            throw trouble(effect, program + " ended with exit code " + output.exit()
                    + (quoted.isEmpty() ? " and said nothing" : ": " + quoted), List.of());
        }

        private Trouble trouble(Effect effect, String what, List<String> actions) {
            return new Trouble(effect, what, actions.stream().map(action -> line(action, Map.of()))
                    .collect(Collectors.joining("\n")));
        }

        private Trouble strange() {
            return new Trouble(Effect.UNKNOWN, "the tool succeeded, but its answer is not what it should be",
                    "look at it: " + reading());
        }

        /** What a reading command answers. Nothing at all is an answer too: a list without the name asked for. */
        private JsonNode answer(Optional<String> read, String version) {
            String out = read.map(one -> run(one, Map.of("version", version), "", Optional.empty())).orElse("{}");
            try {
                return row.decode.orElse(null) == Decode.TEXT ? Json.of(out.replaceFirst("\\R$", "")) : Json.read(out);
            } catch (IOException e) {
                throw strange();
            }
        }

        private JsonNode at(JsonNode answer, JsonPointer pointer) {
            return answer.at(filled(pointer.toString(), Map.of(), part -> part.replace("~", "~0").replace("/", "~1")));
        }

        /** What there is, and all that would keep this from being written or restarted, as far as it can be known. */
        private JsonNode inspected(String template) {
            Matcher first = FIRST_WORD.matcher(template.matches(FOR_SHELL) ? words(template) : "");
            if (first.matches() && !tool.windows()) {
                String program = first.group(1);
                Trouble.when(!ended(tool.shell("command -v " + program), "", Optional.empty()).ok(),
                        "exec: " + program + " is not there", "install " + program + ", or put it on the PATH");
            }
            JsonNode answer = answer(row.read, "");
            for (Check check : Stream.concat(row.need.stream(), row.refuse.stream()).toList()) {
                Optional<JsonNode> ran = check.run.map(run ->
                        Json.of(ended(command(run, Map.of()), "", Optional.empty()).out()));
                JsonNode there = ran.orElseGet(() -> at(answer, check.at.orElse(JsonPointer.empty())));
                boolean is = there.isValueNode() && check.is.matcher(there.asText()).find();
                if (is == row.refuse.contains(check)) {
                    throw trouble(Effect.DENIED, words(check.means), check.action);
                }
            }
            return answer;
        }

        // ---- as a store

        /** What it holds, and all that would keep it from being written. */
        Held inspected() {
            return held(inspected(row.write.orElseThrow()));
        }

        /** What it holds now. */
        Held held() {
            return held(answer(row.read, ""));
        }

        /** What it held when it called that so; empty where it keeps no history. */
        Optional<Held> held(String version) {
            return row.readAt.filter(read -> !version.isEmpty())
                    .map(read -> held(answer(Optional.of(read), version)));
        }

        private Held held(JsonNode answer) {
            String version = row.version.map(at -> at(answer, at).asText().replaceFirst(".*/", "")).orElse("");
            if (!readable()) {
                return new Held(Optional.empty(), version, "", version);
            }
            String whole = row.value.map(at -> at(answer, at)).filter(JsonNode::isTextual).map(this::decoded)
                    .orElseThrow(this::strange);
            Key key = field().isEmpty() ? Key.of(whole) : Key.of(within(whole).value());
            tool.conceal(key);
            return new Held(Optional.of(key), version, whole, key.fingerprint());
        }

        private Embedded within(String document) {
            return Embedded.field(document, field()).orElseThrow(() ->
                    new Trouble("the secret is no JSON document with a text field " + field(), reading()));
        }

        private String field() {
            return row.inside.map(this::words).orElse("");
        }

        private String decoded(JsonNode value) {
            boolean base64 = row.decode.orElse(null) == Decode.BASE64;
            // gcloud prints bytes in the URL-safe alphabet, the API itself in the usual one.
            String usual = value.asText().replace('-', '+').replace('_', '/');
            try {
                return base64 ? new String(Base64.getDecoder().decode(usual), StandardCharsets.UTF_8) : value.asText();
            } catch (IllegalArgumentException e) {
                throw strange();
            }
        }

        /** Writes a key into what it holds now. It may have done so even when that fails. */
        void write(Key key, Held now) {
            String value = field().isEmpty() ? key.reveal()
                    : within(now.whole).replaced(Json.line(key.reveal()));
            byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
            Map<String, String> forms = Map.of("key", value, "key:base64", Base64.getEncoder().encodeToString(bytes));
            JsonNode stdin = row.stdin.orElseThrow();
            UnaryOperator<String> inJson = part -> Json.line(part).replaceAll("^\"|\"$", "");
            String input = stdin.isTextual() ? filled(stdin.asText(), forms, UnaryOperator.identity())
                    : filled(Json.line(stdin), forms, inJson);
            run(row.write.orElseThrow(), Map.of(), input, Optional.empty());
        }

        // ---- as a restart target

        private static Map<String, String> times(Duration within) {
            return Map.of("within", "" + Math.max(1, within.toSeconds()), "now", "" + Instant.now().getEpochSecond());
        }

        String restarting(Duration within) {
            return row.restart.stream().map(one -> line(one, times(within))).collect(Collectors.joining(" && "));
        }

        Done reach() {
            inspected(row.restart.get(0));
            return Done.ok("there, and may be restarted");
        }

        /** Restarts it, and gives what changes with every restart, and has changed; empty where nothing tells. */
        Optional<String> restart(Duration within) {
            Optional<String> before = mark();
            row.restart.forEach(template -> run(template, times(within), "", Optional.of(within)));
            Optional<String> after = mark();
            Trouble.when(before.isPresent() && before.equals(after), "the tool says that it restarted, but nothing did"
                    + after.map(mark -> " (still " + mark + ")").orElse(""));
            return after;
        }

        private Optional<String> mark() {
            return row.mark.map(mark -> Text.safe(at(answer(row.read, ""), mark).asText(), 60))
                    .filter(text -> !text.isEmpty());
        }
    }
}
