import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import java.util.zip.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Text.Json;
import runbook.sandbox.*;

/**
 * Plays a case of {@code postmortem-runs.txt}, {@code watch-runs.txt}, {@code triage-runs.txt} or {@code
 * bundle-cases.txt}, where its lines are explained: what people do with the scripts, and see, in a new folder.
 */
final class Session implements AutoCloseable {
    /** What a test's server says, by path. */
    static final Map<String, String> ANSWERS = new ConcurrentHashMap<>();

    final Path work = Tree.temporary("session");
    final Incident incident = new Incident(work.resolve("klaviyo-incidents/20261120T030405Z"));
    final Map<String, String> environment = new HashMap<>();
    final Map<String, String> names = new LinkedHashMap<>();
    private Path in = work;
    private String typed;
    private ControlledSandbox sandbox;
    private Run.Running running;
    private Run.Result last;

    Session() {
        // A busy machine takes its time, and that is not what a play is about.
        environment.put("KLAVIYO_TIMEOUT", "20s");
        names.put("{copy}", work + "/elsewhere/klaviyo-incidents/20261120T030405Z");
        names.put("{incident}", incident.toString());
        names.put("{base}", work + "/klaviyo-incidents");
        names.put("{work}", work.toString());
        names.put("{now}", Instant.now().toString());
        names.put("{hour ago}", Instant.now().minusSeconds(3_600).toString());
        names.put("{yesterday}", Instant.now().minusSeconds(90_000).toString());
        names.put("{secret}", "pk_0123456789abcdef0123456789abcdef01");
        names.put("{templates}", Repository.file("templates").toString());
    }

    /** What watch noticed, in order; without gaps and blips, which a busy machine has as well, and what was told. */
    static String kinds(List<Event> events) {
        return events.stream().map(Session::kind).filter(kind -> !kind.matches("gap|blip|told|ran"))
                .collect(Collectors.joining(" "));
    }

    static String kind(Event event) {
        return event.data().path("kind").asText(event.event());
    }

    void play(List<String> lines) throws IOException {
        for (String written : lines) {
            String line = written;
            for (Map.Entry<String, String> name : names.entrySet()) {
                line = line.replace(name.getKey(), name.getValue());
            }
            String[] words = line.split(" ", 3);
            String rest = line.replaceFirst("\\S* ?", "");
            if (!does(words, rest) && !changes(words, rest)) {
                checks(line, words, rest);
            }
        }
    }

    private boolean does(String[] words, String rest) throws IOException {
        switch (words[0]) {
            case "if" -> assumeTrue(Run.command("sh", "-c", rest).cwd(work).run().exit() == 0, rest);
            case "sh" -> assertEquals(0, Run.command("sh", "-c", rest).cwd(work).run().exit(), rest + "\n" + last);
            case "tool" -> tool(work.resolve("bin"), words[1], words[2]);
            case "answer" -> ANSWERS.put(words[1], words[2]);
            case "file" -> Tree.write(work.resolve(words[1]), unescaped(words[2]));
            case "filled" -> Tree.write(work.resolve(rest), PostmortemJournals.filledIn(Tree.read(work.resolve(rest))));
            case "env" -> environment.put(words[1], words.length > 2 ? words[2] : null);
            case "in" -> in = Files.createDirectories(work.resolve(rest)).normalize();
            case "type" -> typed = unescaped(rest);
            case "run" -> ended(words[1], run(Text.split("case", words[2]), true).run());
            case "process" -> ended(words[1], shell("umask 000; exec \"$@\"", words[2]));
            case "full" -> ended(words[1], shell("exec \"$@\" > /dev/full", words[2]));
            case "head" -> ended(words[1], shell("{ \"$@\"; echo $? > code; } | head -1; exit $(cat code)", words[2]));
            case "start" -> running = run(Text.split("case", rest), false).start();
            case "kill" -> running.kill();
            case "interrupt" -> running.interrupt();
            case "ends" -> ended(words[1], running.await());
            default -> {
                return false;
            }
        }
        return true;
    }

    /** A program of this name on a PATH of its own. */
    static void tool(Path folder, String name, String body) throws IOException {
        Path file = Tree.write(folder.resolve(name), "#!/bin/sh\n" + body + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Run.Result shell(String line, String step) {
        List<String> words = Text.split("case", step);
        Run run = Run.command("sh", "-c", line, "sh").cwd(in)
                .args(Run.process(words.get(0)).words().toArray(String[]::new))
                .args(words.subList(1, words.size()).toArray(String[]::new));
        environment.forEach(run::env);
        return run.run();
    }

    private Run run(List<String> words, boolean here) {
        Run run = (here ? Run.script(words.get(0)) : Run.process(words.get(0))).cwd(in)
                .args(words.subList(1, words.size()).toArray(String[]::new));
        environment.forEach(run::env);
        return typed == null ? run : run.terminal(100).stdin(typed);
    }

    private void ended(String exit, Run.Result result) {
        last = result.ends(Integer.parseInt(exit));
        Tree.write(work.resolve("screen"), result.out() + result.err());
    }

    private boolean changes(String[] words, String rest) {
        switch (words[0]) {
            case "begin" -> begin(rest);
            case "around" -> environment.putAll(sandbox.variables());
            case "enter" -> sandbox.enter(rest);
            case "advance" -> sandbox.advance(Duration.parse(rest));
            case "refuse" -> sandbox.refusePosts(Integer.parseInt(rest));
            case "account" -> names.put("{" + rest + "}", sandbox.openAccount(rest));
            case "disable" -> sandbox.enabled(rest, false);
            case "scopes" -> sandbox.scopes(words[1], Set.of(words[2].split(" ")));
            case "page" -> {
                String[] page = rest.split("\\|");
                sandbox.statusPage(page[0], page[1], page[2], page[3], page[4]);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    private void begin(String scenario) {
        sandbox = ControlledSandbox.start(scenario);
        names.put("{at}", "--api-url " + sandbox.target().api() + " --status-url " + sandbox.target().status());
        names.put("{api}", sandbox.target().api().toString());
        names.put("{status}", sandbox.target().status().toString());
        names.put("{app}", sandbox.target().app().toString());
        names.put("{prometheus}", sandbox.target().prometheus().toString());
        names.put("{slack}", sandbox.slackUrl().toString());
        names.put("{new key}", sandbox.newKey());
        Optional.ofNullable(sandbox.key()).ifPresent(key -> {
            names.put("{key}", key);
            names.put("{the key}", Key.of(key).describe());
            names.put("{fingerprint}", Key.of(key).fingerprint());
        });
        names.put("{often}", "--check endpoint:events --interval 200ms --for 500ms");
        environment.put("KLAVIYO_PRIVATE_KEY", sandbox.key());
        environment.put("SLACK_WEBHOOK_URL", sandbox.slackUrl().toString());
    }

    private void checks(String line, String[] words, String rest) throws IOException {
        String screen = last == null ? "" : (last.out() + last.err()).replaceAll("\\s+", " ");
        switch (words[0]) {
            case "says" -> assertTrue(screen.matches(".*\\Q" + rest.replace(" .. ", "\\E.*\\Q") + "\\E.*"),
                    line + "\n--- not in\n" + last);
            case "silent" -> assertFalse(screen.contains(rest), line + "\n--- in\n" + last);
            case "sees" -> running.awaitUntil(line, () -> Pattern.compile(rest).matcher(shown()).find());
            case "unseen" -> assertFalse(shown().contains(rest), line);
            case "holds" -> PostmortemJournals.assertSays(text(words), words[2]);
            case "lacks" -> assertFalse(text(words).contains(words[2]), line);
            case "json" -> assertEquals(words[2], Json.read(last.out()).at(words[1]).asText(), line);
            case "document" -> JsonTest.check(rest, Json.read(last.out()));
            case "journal" -> assertEquals(rest, kinds(incident.journal().read().events()));
            case "posts" -> assertEquals(Integer.parseInt(rest), sandbox.posts().size());
            case "posted" -> assertTrue(sandbox.posts().toString().contains(rest), line + sandbox.posts());
            case "asked" -> assertEquals(Integer.parseInt(words[1]),
                    sandbox.requests().getOrDefault(words[2], 0), line);
            default -> assertEquals("", line);
        }
    }

    // Of an archive that of all files whose paths begin so: ZIP:BEGIN.
    private String text(String[] words) throws IOException {
        String[] place = words[1].split(":", 2);
        Path file = work.resolve(place[0]);
        return place.length == 1 ? Tree.read(file) : unpacked(file).entrySet().stream()
                .filter(in -> in.getKey().startsWith(place[1])).map(Map.Entry::getValue).collect(Collectors.joining());
    }

    /** The files of an archive. */
    static Map<String, String> unpacked(Path archive) throws IOException {
        Map<String, String> files = new LinkedHashMap<>();
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            for (ZipEntry entry : zip.stream().toList()) {
                byte[] bytes = zip.getInputStream(entry).readAllBytes();
                files.put(entry.getName(), new String(bytes, StandardCharsets.UTF_8));
            }
        }
        return files;
    }

    private String shown() {
        return running.out() + running.err();
    }

    private static String unescaped(String text) {
        return text.replaceAll("(?<!\\\\)\\\\n", "\n").replace("\\\\n", "\\n").replace("\\r", "\r")
                .replace("\\uFEFF", "\uFEFF");
    }

    @Override
    public void close() {
        if (Files.exists(work.resolve("disk"))) {
            Run.command("umount", work.resolve("disk").toString()).run();
        }
        Stream.of(running, sandbox).filter(one -> one != null).forEach(Session::close);
    }

    private static void close(AutoCloseable one) {
        try {
            one.close();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
