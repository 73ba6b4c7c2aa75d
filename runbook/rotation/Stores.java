package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.*;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.redact.*;
import runbook.rotation.Holding.Held;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Trouble;

/**
 * Secret stores and restart targets, as the rows of {@code stores.json} describe them and as somebody typed them. Every
 * value travels by a tool's standard input, and comes back by its standard output into memory.
 */
public final class Stores {
    // A name in braces, the part of the address that stands there; and words in brackets, which are left away where a
    // part in them was not given.
    private static final Pattern PART = Pattern.compile("\\{(\\w+(?::\\w+)?)}");
    private static final Pattern OPTIONAL = Pattern.compile("\\[([^\\[\\]{}]*\\{\\w+}[^\\[\\]{}]*)]");
    private static final String FORM = "[a-z0-9-]+:(?:[\\w:/@#,=\\[\\]-]|\\{\\w+})*";
    /** Never starts with a dash: no tool can take it for an option. */
    private static final Pattern WORD = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.-]*");
    private static final Pattern FILE = Pattern.compile("file:([^\\x00-\\x1f]+)(#[^#]*)");
    /** A command that is one part alone is a line for the shell; the program that such a line calls first. */
    private static final Pattern FOR_SHELL = Pattern.compile("\\{\\w+}");
    private static final Pattern FIRST_WORD = Pattern.compile("\\s*([A-Za-z0-9_./+-]+)(\\s.*)?", Pattern.DOTALL);

    private final Map<String, Row> rows;
    private final Tool tool;
    private final Hands hands;

    /** The table, a team's own rows first, and in place of ours; a {@link Problem} names file, row and field. */
    public Stores(Templates templates, Tool tool, Hands hands) {
        this.tool = tool;
        this.hands = hands;
        rows = new LinkedHashMap<>(templates.table("stores.json", Row.class));
        Templates.builtIn().table("stores.json", Row.class).forEach(rows::putIfAbsent);
    }

    /** What runs a command to its end: one with {@code lasting} may take so long, and leave something running. */
    public interface Hands {
        Tool.Output run(List<String> command, String input, Optional<Duration> lasting) throws Tool.Failure;

        /** In earnest: what begins with {@code rotate-key:} is done within this process. */
        static Hands of(Tool tool) {
            return (command, input, lasting) -> {
                if (command.get(0).equals(Embedded.PROGRAM)) {
                    return Embedded.run(tool, command, input);
                }
                return lasting.isPresent() ? tool.lasting(command, lasting.get())
                        : tool.run(command, input, tool.timeout(), Map.of());
            };
        }
    }

    // ---- a row: CONTRIBUTING.md says what each field means

    enum Decode { BASE64, TEXT }

    record Check(Optional<String> run, Optional<String> at, Pattern is, String means, List<String> action) { }

    record Explanation(Pattern when, String means, List<String> action) {
        Explanation {
            when = Pattern.compile(when.pattern(), Pattern.CASE_INSENSITIVE);
        }
    }

    /** A restart target where it has {@code restart}, else a store. */
    record Row(String id, List<String> address, Map<String, Pattern> parts, Optional<String> read,
            Optional<String> value, Optional<Decode> decode, Optional<String> inside, Optional<String> version,
            Optional<String> readAt, Optional<String> write, Optional<JsonNode> stdin, List<String> restart,
            Optional<String> mark, List<Check> need, List<Check> refuse, Optional<String> undo, Optional<String> show,
            Optional<String> note, List<Explanation> explain, Optional<String> install) {
        // Refuses a row that could show the key, or that names what its address does not have.
        Row {
            if (address.isEmpty() || !address.stream().allMatch(form -> form.matches(FORM) && form.contains("{"))) {
                throw new IllegalArgumentException("address has to be a list of forms: [\"name:{part}/{part}\"]");
            } else if (restart.isEmpty() && (write.isEmpty() || !stdin.toString().contains("{key"))) {
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
                    .map(one -> "" + one.run + one.at + one.means + one.action).toList());
            known("explain", parted, explain.stream().map(one -> one.means + one.action).toList());
        }

        private static void known(String field, List<String> parts, Object held, String... more) {
            for (String name : names(held.toString())) {
                if (!parts.contains(name) && !List.of(more).contains(name)) {
                    throw new IllegalArgumentException(field + " has {" + name + "} in it" + (name.startsWith("key")
                            ? ": the key goes by stdin alone" : ", which the address does not"));
                }
            }
        }

        String usage() {
            return PART.matcher(address.get(0)).replaceAll(part -> part.group(1).toUpperCase(Locale.ROOT));
        }

        /** The parts of what somebody typed; empty when it is no address of this row. */
        Optional<Map<String, String>> parse(String typed) {
            for (String form : address) {
                String pattern = PART.matcher(form.replace("[", "(?:").replace("]", ")?")).replaceAll(part ->
                        Matcher.quoteReplacement("(?<" + part.group(1) + ">"
                                + parts.getOrDefault(part.group(1), WORD) + ")"));
                Matcher matcher = Pattern.compile(pattern, Pattern.DOTALL).matcher(typed);
                if (matcher.matches()) {
                    return Optional.of(names(form).stream().filter(name -> matcher.group(name) != null)
                            .collect(Collectors.toMap(name -> name, matcher::group)));
                }
            }
            return Optional.empty();
        }
    }

    private static List<String> names(String text) {
        return PART.matcher(text).results().map(found -> found.group(1)).toList();
    }

    // ---- an address

    private List<Row> rows(boolean targets) {
        return rows.values().stream().filter(row -> row.restart.isEmpty() != targets).toList();
    }

    /** How a store, or a restart target, may be written: {@code gcp:SECRET[@PROJECT], …}. */
    public String usages(boolean targets) {
        return rows(targets).stream().map(Row::usage).collect(Collectors.joining(", "));
    }

    /**
     * What was typed after {@code --to} or {@code --restart}, where a settings file may have several with a comma
     * between them; a {@link Problem} shows how one is written.
     */
    public List<Place> places(Screen.Host host, String option, List<String> typed) {
        List<Row> some = rows(option.equals("--restart"));
        return typed.stream().flatMap(one -> one.startsWith("exec:") ? Stream.of(one)
                : Stream.of(one.split("\\s*,\\s*(?=[a-z0-9-]+:\\S)")))
                .map(one -> whole(host, one)).distinct().map(one -> place(option, one, some)).toList();
    }

    // A file by its path in full: no shell expands ~ there.
    private static String whole(Screen.Host host, String typed) {
        Matcher file = FILE.matcher(typed);
        if (!file.matches()) {
            return typed;
        }
        String path = file.group(1).startsWith("~/") ? host.home() + file.group(1).substring(1) : file.group(1);
        return "file:" + host.path(path).toAbsolutePath().normalize() + file.group(2);
    }

    private Place place(String option, String typed, List<Row> some) {
        if (!Key.mask(typed).equals(typed)) {
            throw new Problem(option + " has a key in it, where every process list shows it: let the command read it"
                    + " from standard input");
        }
        Optional<Place> place = some.stream().flatMap(row ->
                row.parse(typed).map(parts -> new Place(row, typed, parts, tool, hands)).stream()).findFirst();
        if (place.filter(one -> tool.windows() && one.row.write.orElse("").contains("{stdin}")).isPresent()) {
            throw new Problem(Rotation.REFUSED, option + " " + typed + ": Windows has no /dev/stdin, and the key goes"
                    + " no other way into its tool: run this in WSL, or on another machine");
        }
        String prefix = typed.replaceFirst("(?s):.*", ":");
        return place.orElseThrow(() -> new Problem(option + " " + Text.safe(typed, 60) + ": write "
                + some.stream().map(Row::usage).filter(usage -> usage.startsWith(prefix)).findFirst()
                        .orElseGet(() -> usages(option.equals("--restart")))));
    }

    /** A store or restart target: a row, and the parts of its address as somebody typed it after an option. */
    public record Place(Row row, String name, Map<String, String> parts, Tool tool, Hands hands) {
        // ---- words and commands

        private String filled(String template, UnaryOperator<String> form, Map<String, String> more) {
            return PART.matcher(chosen(template)).replaceAll(part -> Matcher.quoteReplacement(form.apply(
                    more.getOrDefault(part.group(1), parts.getOrDefault(part.group(1), "")))));
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

        // Split before the parts are put in: whatever is in them, they stay one word, and no option.
        private List<String> command(String template, Map<String, String> more) {
            return FOR_SHELL.matcher(template).matches() ? tool.shell(words(template))
                    : Tool.split("stores.json, " + row.id, chosen(template)).stream()
                            .map(word -> filled(word, UnaryOperator.identity(), more)).toList();
        }

        private List<String> writer() {
            return command(row.write.orElseThrow(), Map.of("stdin", "/dev/stdin"));
        }

        // ---- running a tool

        private Trouble trouble(Effect effect, String what, List<String> actions) {
            return new Trouble(effect, what, actions.stream().map(action -> pasted(action, ""))
                    .collect(Collectors.joining("\n")));
        }

        private String run(List<String> command, String input, Optional<Duration> lasting) {
            Tool.Output output = ended(command, input, lasting);
            if (output.ok()) {
                return output.out();
            }
            String said = tool.concealed(output.err().isBlank() ? output.out() : output.err());
            String quoted = Text.safe(Redactor.strict().text(Text.safe(said, 400)), 200);
            // Ended by a signal, it may have done what it was to do. (The AWS CLI's own exit codes are 252 to 255.)
            Effect effect = output.exit() > 128 && output.exit() < 193 ? Effect.UNKNOWN : Effect.DENIED;
            Optional<Explanation> known = row.explain.stream().filter(one -> one.when.matcher(said).find()).findFirst();
            String what = known.map(one -> words(one.means) + " (" + Tool.name(command) + ": " + quoted + ")")
                    .orElse(Tool.name(command) + " ended with exit code " + output.exit()
                            + (quoted.isEmpty() ? " and said nothing" : ": " + quoted));
            throw trouble(effect, what, known.map(Explanation::action).orElse(List.of()));
        }

        private Tool.Output ended(List<String> command) {
            return ended(command, "", Optional.empty());
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

        // What a command of the row answers. Nothing at all is an answer too: a list without the name asked for.
        private JsonNode answer(Optional<String> read, String version) {
            String out = read.map(template -> run(command(template, Map.of("version", version)), "", Optional.empty()))
                    .orElse("{}");
            try {
                return row.decode.orElse(null) == Decode.TEXT ? Json.of(out.replaceFirst("\\R$", "")) : Json.read(out);
            } catch (IOException e) {
                throw strange();
            }
        }

        private Trouble strange() {
            return new Trouble(Effect.UNKNOWN, "the tool succeeded, but its answer is not what it should be",
                    "look at it: " + reading());
        }

        private JsonNode at(JsonNode answer, Optional<String> pointer) {
            return answer.at(filled(pointer.orElse(""), part -> part.replace("~", "~0").replace("/", "~1"), Map.of()));
        }

        // Refuses what is not as it has to be; thorough: also what costs a command of its own to know.
        private JsonNode checked(JsonNode answer, boolean thorough) {
            for (Check check : Stream.concat(row.need.stream(), row.refuse.stream()).toList()) {
                if (thorough || check.run.isEmpty()) {
                    JsonNode there = check.run.map(run -> Json.of(ended(command(run, Map.of())).out()))
                            .orElseGet(() -> at(answer, check.at));
                    boolean is = there.isValueNode() && check.is.matcher(there.asText()).find();
                    if (is == row.refuse.contains(check)) {
                        throw trouble(Effect.DENIED, words(check.means), check.action);
                    }
                }
            }
            return answer;
        }

        // What is there now, and all that would keep this command from working, as far as can be known without.
        private JsonNode inspected(String template) {
            boolean looked = FOR_SHELL.matcher(template).matches() && !tool.windows();
            Matcher first = FIRST_WORD.matcher(looked ? words(template) : "");
            if (first.matches()) {
                String program = first.group(1);
                Trouble.when(!ended(tool.shell("command -v " + program)).ok(), "exec: " + program + " is not there",
                        "install " + program + ", or put it on the PATH");
            }
            return checked(answer(row.read, ""), true);
        }

        String reading() {
            return row.read.map(read -> shown(command(read, Map.of()), "")).orElse("");
        }

        private static String shown(List<String> command, String more) {
            return command.get(0).equals(Embedded.PROGRAM) ? "" : Tool.shown(command) + more;
        }

        /** What it is, however it was written, and less the field in it: two rotations of it never run at once. */
        String identity() {
            Map<String, String> whole = new TreeMap<>(parts);
            whole.keySet().removeAll(List.of("field", "variable"));
            return row.id + whole;
        }

        String writing() {
            return shown(writer(), "   # the key on standard input");
        }

        private String inside() {
            return row.inside.map(this::words).orElse("");
        }

        boolean readable() {
            return row.read.isPresent() && row.value.isPresent();
        }

        /** What people should know before they say yes; may be empty. */
        String note() {
            return row.note.orElse(readable() ? "" : "write-only: it gives no value back, so step 4 cannot compare it");
        }

        /** The command by which a person brings an earlier value back; empty where the store has no history. */
        String undo(String version) {
            return version.isEmpty() ? "" : row.undo.map(undo -> pasted(undo, version)).orElse("");
        }

        /** A shell's words that print the value; empty where none do. */
        public Optional<String> show() {
            return row.show.map(show -> pasted(show, ""));
        }

        /** What it holds, and all that would keep {@link #write} from working, as far as can be known without. */
        Held inspect() {
            return held(inspected(row.write.orElseThrow()));
        }

        Held read() {
            return held(checked(answer(row.read, ""), false));
        }

        /** An earlier value out of its own history: the way back after this process was killed. */
        Optional<Key> recall(String version) {
            return row.readAt.filter(read -> !version.isEmpty())
                    .flatMap(read -> held(checked(answer(row.readAt, version), false)).key());
        }

        private Held held(JsonNode answer) {
            String version = row.version.isEmpty() ? "" : at(answer, row.version).asText().replaceFirst(".*/", "");
            if (!readable()) {
                return new Held(Optional.empty(), version, version, Optional.empty());
            }
            String value = decoded(at(answer, row.value));
            Optional<Embedded> within = inside().isEmpty() ? Optional.empty() : Embedded.field(value, inside());
            Trouble.when(within.isEmpty() && !inside().isEmpty(), "the secret is no JSON document with a text field "
                    + inside(), reading());
            Key key = Key.of(within.map(Embedded::value).orElse(value));
            return new Held(Optional.of(key), version, key.fingerprint(), within);
        }

        // gcloud prints bytes in the URL-safe alphabet, the API itself in the usual one.
        private String decoded(JsonNode value) {
            boolean base64 = row.decode.orElse(null) == Decode.BASE64;
            String text = base64 ? value.asText().replace('-', '+').replace('_', '/') : value.asText();
            if (!value.isTextual()) {
                throw strange();
            }
            try {
                return base64 ? new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8) : text;
            } catch (IllegalArgumentException e) {
                throw strange();
            }
        }

        /** Makes it hold this key instead of that. May have done so even when it fails: read back before you judge. */
        void write(Key key, Held instead) {
            String value = inside().isEmpty() ? key.reveal()
                    : instead.within().orElseThrow(this::strange).replaced(Json.line(Json.of(key.reveal())));
            Map<String, String> forms = Map.of("key", value, "key:base64",
                    Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8)));
            JsonNode stdin = row.stdin.orElseThrow();
            UnaryOperator<String> inJson = part -> Json.line(Json.of(part)).replaceAll("^\"|\"$", "");
            run(writer(), stdin.isTextual() ? filled(stdin.asText(), UnaryOperator.identity(), forms)
                    : filled(Json.line(stdin), inJson, forms), Optional.empty());
        }

        // ---- as a restart target

        private List<List<String>> restarts(Duration within) {
            Map<String, String> times = Map.of("within", Long.toString(Math.max(1, within.toSeconds())),
                    "now", Long.toString(Instant.now().getEpochSecond()));
            return row.restart.stream().map(template -> command(template, times)).toList();
        }

        String restarting(Duration within) {
            return restarts(within).stream().map(Tool::shown).collect(Collectors.joining(" && "));
        }

        /** All that would keep a restart from working, as far as that is known without. */
        Done reach() {
            JsonNode answer = inspected(row.restart.get(0));
            if (row.mark.isPresent() && !at(answer, row.mark).isValueNode()) {
                throw strange();
            }
            return Done.ok("there, and may be restarted");
        }

        /** Restarts it, and gives what changes with every restart, and has changed; empty where nothing tells. */
        Optional<String> restart(Duration within) {
            Optional<String> before = mark();
            restarts(within).forEach(command -> run(command, "", Optional.of(within)));
            Optional<String> after = mark();
            Trouble.when(before.isPresent() && before.equals(after), "the tool says that it restarted, but nothing did"
                    + after.map(mark -> " (still " + mark + ")").orElse(""));
            return after;
        }

        private Optional<String> mark() {
            return row.mark.map(mark -> Text.safe(at(answer(row.read, ""), row.mark).asText(), 60))
                    .filter(text -> !text.isEmpty());
        }
    }
}
