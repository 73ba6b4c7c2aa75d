import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.*;
import runbook.Incident.Event;

/** What a rotation does as people and machines see it: cases of rotation-cases.txt, JSON, drills, and a terminal. */
class RotationTest {
    // ---- the cases, each with surroundings of its own

    /** One case as it goes on; {@code rest} is what its last run said after the words that were looked for last. */
    private static final class Play {
        private final RotationScene bench;
        private final Map<String, String> keys;
        private String all = "";
        private String rest = "";
        private String record = "";
        private Run.Running running;

        Play(RotationScene bench) {
            this.bench = bench;
            keys = new TreeMap<>(Map.of("@old", bench.oldKey, "@new", bench.newKey, "@theirs", bench.sandbox.issueKey(),
                    "@foreign", bench.sandbox.foreignKey(), "@token", bench.sandbox.openToken(),
                    "@account", bench.sandbox.accountId()));
        }

        void lines(List<String> lines) {
            for (int i = 0; i < lines.size(); i++) {
                String line = lines.get(i);
                if (line.startsWith("each ")) {
                    List<String> rest = lines.subList(i + 1, lines.size());
                    for (String one : line.substring(5).split(" \\| ")) {
                        lines(rest.stream().map(each -> each.replace("@each", one)).toList());
                    }
                    return;
                }
                for (Map.Entry<String, String> key : keys.entrySet()) {
                    line = line.replace("sha:" + key.getKey(), "sha256 print:" + key.getKey())
                            .replace("print:" + key.getKey(), Key.of(key.getValue()).fingerprint())
                            .replace(key.getKey(), key.getValue());
                }
                String[] words = line.split(" ", 2);
                line(words[0], words.length > 1 ? words[1] : "");
            }
        }

        private void line(String verb, String text) {
            String first = text.split("[ =]")[0];
            String after = text.substring(Math.min(text.length(), first.length() + 1));
            switch (verb) {
                case "with" -> bench.variables.put(first, after.isEmpty() ? null : after);
                case "killed" -> bench.killedAt(first, arguments(after));
                case "held" -> running = bench.heldAt(first, arguments(after));
                case "noted" -> running = bench.notedAt(first, arguments(after));
                case "apart" -> said(bench.ended(Integer.parseInt(first), bench.apart(arguments(after)).run()));
                case "then" -> bench.then = "; " + text;
                case "interrupt" -> {
                    running.interrupt();
                    said(bench.ended(130, running.await()));
                }
                case "ends" -> {
                    bench.release();
                    said(bench.ended(Integer.parseInt(text), running.await()));
                }
                case "copied" -> record = bench.record();
                case "same" -> assertEquals(record, bench.record());
                case "remembered" -> bench.remember(Key.of(text));
                case "left" -> assertTrue(Tree.read(bench.incident.resolve(first)).contains(after), after);
                case "handover" -> bench.ends(0, Run.script("postmortem").env("KLAVIYO_GAME_DAY",
                        bench.variables.get("KLAVIYO_GAME_DAY")).args("handover", "--incident",
                        bench.incident.toString()), text);
                case "restarts" -> assertEquals(text, Long.toString(bench.tools.calls().stream()
                        .filter(call -> call.contains("[restart]")).count()));
                case "link" -> bench.ends(0, Run.command("ln").args(text.split(" ")).cwd(bench.folder));
                case "file" -> Tree.write(bench.folder.resolve(first), after.translateEscapes());
                case "scopes" -> bench.sandbox.scopes(first, Set.of(after.split(",")));
                case "set" -> bench.tools.set(text);
                case "fails" -> bench.tools.fail(first, after.substring(after.indexOf(' ') + 1).translateEscapes(),
                        Integer.parseInt(after.split(" ")[0]));
                case "mended" -> bench.tools.mend();
                case "clouds" -> bench.tools.installCloud();
                case "app" -> bench.manners = List.of(text.split(" "));
                case "run" -> {
                    bench.sandbox.forget();
                    boolean own = after.contains("--to ") || after.contains("--restart ");
                    Run run = own ? bench.bare() : bench.rotate();
                    said(bench.ends(Integer.parseInt(first), run.args(arguments(after))));
                }
                case "says" -> {
                    assertTrue(rest.contains(text), () -> text + "\nis not in\n" + rest);
                    rest = rest.substring(rest.indexOf(text) + text.length());
                }
                case "never" -> assertFalse(all.contains(text), all);
                case "has" -> bench.has(text);
                case "store" -> assertEquals(text, bench.tools.value());
                case "renewed" -> assertEquals(after.translateEscapes().replace(bench.oldKey, bench.newKey),
                        Tree.read(bench.folder.resolve(first)));
                case "holds" -> assertEquals(after.translateEscapes(), Tree.read(bench.folder.resolve(first)));
                case "fed" -> assertEquals(after, bench.tools.stdin(first));
                case "called" -> assertTrue(bench.tools.calls().stream().anyMatch(call -> call.startsWith(text)
                        && !call.contains("pk_")), () -> text + "\n" + bench.tools.calls());
                case "blind" -> assertFalse(bench.tools.environment(text).matches("(?s).*(pk_|KLAVIYO_PRIVATE_KEY).*"));
                case "untouched" -> bench.untouched();
                case "nothing" -> assertFalse(Files.exists(bench.incident), "a dry run leaves something behind");
                default -> throw new AssertionError("what is " + verb + "?");
            }
        }

        private static String[] arguments(String line) {
            return line.isEmpty() ? new String[0] : Text.split("run", line).toArray(String[]::new);
        }

        private void said(Run.Result result) {
            all = (result.out() + " " + result.err()).replaceAll("\\s+", " ");
            rest = all;
        }
    }

    @TestFactory
    Stream<DynamicTest> cases() {
        Map<String, Runnable> cases = new TreeMap<>();
        String all = Tree.read(Repository.file("tests/rotation-cases.txt"));
        Arrays.stream(all.split("(?m)^== ")).skip(1).forEach(text -> {
            List<String> lines = text.lines().filter(line -> !line.isBlank()).toList();
            cases.put(lines.get(0), () -> {
                try (RotationScene bench = new RotationScene()) {
                    new Play(bench).lines(lines.subList(1, lines.size()));
                }
            });
        });
        return RotationScene.atOnce(cases);
    }

    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    // ---- drills

    @ParameterizedTest
    @CsvSource({"revoked-key, 0, starts a new sandbox", "malformed-key, 0, which you said is yours",
        "revoked-key:read-back, 22, gives back", "revoked-key:restart, 22, did not start",
        "revoked-key:verify, 22, not well within"})
    void drillsShowTheWholeWayAndTheWayBackAndLeaveStoresAndTargetsOfOnesOwnAlone(String drill, int exit, String words)
            throws IOException {
        Path folder = Tree.temporary("drill");
        Run script = Run.script("rotate-key").cwd(folder).env("PATH", bench.environment().get("PATH"));
        Run.Result result = bench.ends(exit, script.args("--drill", drill, "--verify-for", "2s", "--to", "vault:a#b",
                "--restart", "systemd:web"), words, "7 The old key: sha256 ", "dead already");
        assertEquals(List.of(), bench.tools.calls());
        assertTrue(result.out().startsWith("DRILL"), result.out());
        Incident incident = new Incident.Choice(folder.resolve(Incident.BASE), null, drill).open().orElseThrow();
        assertTrue(incident.journal().read().events().stream().allMatch(event -> event.drill().equals(drill)));
        assertTrue(new Incident.Choice(folder.resolve(Incident.BASE), null, "").open().isEmpty());
        // The journal is redacted, and says all the same what the screen said.
        String journal = Files.readString(incident.folder().resolve("journal.jsonl"));
        assertFalse(journal.matches("(?s).*secret-[0-9a-f]{6}.*"), journal);
        assertTrue(journal.contains("#KLAVIYO_PRIVATE_KEY – holds "), journal);
        assertTrue(result.out().contains("#KLAVIYO_PRIVATE_KEY – holds "), result.out());
    }

    // ---- at a terminal

    @Test
    void atATerminalItAsksUnseenTakesNoYForANoAndStoresWhatWasConfirmed() {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/usr/bin/python3")), "python3 makes the terminal");
        bench.tools.set("pk_0123456789abcdef0123456789abcdef01");
        List<String> answers = List.of("New private key: ", "KEY=" + bench.newKey, "Type yes: ", "y",
                "Type yes in full", "yes", "Type yes: ", "yes", "Type yes: ", "yes");
        String terminal = Repository.file("tests/terminal.py").toString();
        Run run = Run.command("/usr/bin/python3", terminal, Integer.toString(answers.size() / 2)).cwd(bench.folder)
                .args(answers.toArray(String[]::new)).args(bench.apart().words().toArray(String[]::new));
        bench.environment().forEach(run::env);
        bench.settings("rotate-key.verify-for=2s\n");
        bench.ends(0, run.env("KLAVIYO_NEW_PRIVATE_KEY", null).env("KLAVIYO_PRIVATE_KEY", ""),
                "The new key belongs to Drill Outfitters (" + bench.sandbox.accountId() + ")");
        bench.has(bench.newKey);
    }

    // ---- where a key may be seen while it is rotated: nowhere (on the screen and in what is left: RotationScene)

    private static final int SAMPLES = 1000;
    private static final int MOST_ROTATIONS = 20;

    @Test
    void noProcessShowsAKeyInItsArgumentsOrEnvironment() throws Exception {
        Assumptions.assumeTrue(Files.isDirectory(Path.of("/proc/self")), "there is no /proc to look at");
        Path old = Files.writeString(bench.folder.resolve("old.key"), bench.oldKey);
        Path fresh = Files.writeString(bench.folder.resolve("new.key"), bench.newKey);
        // Slow tools: there is always one to be seen.
        bench.tools.fail("e", "sleep 0.3", 999);
        Run rotation = bench.apart("--key-file", old.toString(), "--new-key-file", fresh.toString())
                .env("KLAVIYO_PRIVATE_KEY", null).env("KLAVIYO_NEW_PRIVATE_KEY", null);
        // Only looks that find a tool at work count: how many fit before the first one starts depends on the machine.
        int samples = 0;
        for (int rotations = 0; samples < SAMPLES && rotations < MOST_ROTATIONS; rotations++) {
            try (Run.Running running = rotation.start()) {
                while (running.process().isAlive() && samples < SAMPLES) {
                    samples += look(running.process().toHandle());
                }
                if (samples < SAMPLES) {
                    assertEquals(0, running.await().exit(), () -> running.out() + running.err());
                }
            }
        }
        assertEquals(SAMPLES, samples, "samples with a tool at work");
    }

    /** One look at every process that this rotation started; the rotation itself may hold what it was given. */
    private int look(ProcessHandle rotation) {
        List<Long> children = rotation.descendants().map(ProcessHandle::pid).toList();
        Stream.concat(Stream.of(rotation.pid() + "/cmdline"), children.stream().flatMap(pid ->
                Stream.of(pid + "/cmdline", pid + "/environ"))).forEach(file -> {
                    String text = read(Path.of("/proc", file));
                    assertFalse(text.contains(bench.oldKey) || text.contains(bench.newKey), file);
                });
        return children.isEmpty() ? 0 : 1;
    }

    private static String read(Path file) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            // Gone between two looks.
            return "";
        }
    }
}
