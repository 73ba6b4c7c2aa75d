import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import runbook.*;

/** Where a script's values come from, what it says of wrong ones, and the commands that it prints. */
class SettingsTest {
    private static final String KEY = "pk_" + "0a".repeat(17);

    @TempDir
    Path home;
    @TempDir
    Path team;

    private Run triage(String... args) {
        return Run.script("triage").home(home).cwd(home).args(args);
    }

    private void person(String line) throws IOException {
        Files.writeString(home.resolve(".klaviyo-runbook.properties"), line + "\n");
    }

    private void team(String line) throws IOException {
        Files.writeString(team.resolve("team.properties"), line + "\n");
    }

    private static void assertRefused(Run.Result result, String says) {
        assertTrue(result.ends(2).err().lines().findFirst().orElse("").startsWith("error: "), result.toString());
        assertTrue(result.err().contains(says), says + " in " + result);
    }

    // ---- the later wins

    @ParameterizedTest(name = "team {0}, own file {1}, environment {2}, option {3}: {4}")
    @CsvSource({"-, -, -, -, https://a.klaviyo.com",
                "a, -, -, -, https://a.example",
                "a, b, -, -, https://b.example",
                "a, b, c, -, https://c.example",
                "a, b, c, d, https://d.example",
                "-, b, '', -, https://b.example"})
    void theLaterWins(String inTeam, String inOwn, String inEnvironment, String option, String asked) throws Exception {
        Run run = triage("--curl", "--templates", team.toString(), "--webhook-url", "https://x.example/hooks/");
        if (!inTeam.equals("-")) {
            team("api-url=https://" + inTeam + ".example");
        }
        if (!inOwn.equals("-")) {
            person("api-url = https://" + inOwn + ".example");
        }
        if (!inEnvironment.equals("-")) {
            run.env("KLAVIYO_API_URL", inEnvironment.isEmpty() ? " " : "https://" + inEnvironment + ".example");
        }
        if (!option.equals("-")) {
            run.args("--api-url", "https://" + option + ".example/");
        }
        Run.Result result = run.run();
        assertTrue(result.out().contains("'" + asked + "/api/accounts"), result.toString());
        assertTrue(result.out().contains("'https://x.example/hooks/'"), "a route keeps its slash: " + result);
    }

    /** In the person's own file, the team's, a variable, or an option: in one line that names its place. */
    @ParameterizedTest(name = "{0} {1}")
    @Cases("settings-cases.txt: wrong values")
    void aWrongValueIsRefusedAndItsPlaceNamed(String where, String wrong, String says) throws IOException {
        Run triage = triage("--curl", "--templates", team.toString());
        switch (where) {
            case "own" -> person(wrong);
            case "team" -> team(wrong);
            case "option" -> triage = triage(wrong.split(" "));
            default -> triage = triage("--curl").env(where, wrong);
        }
        Run.Result result = triage.run();
        assertRefused(result, says.replace("OWN", home.resolve(".klaviyo-runbook.properties").toString())
                .replace("TEAM", team.resolve("team.properties").toString()));
        assertFalse(result.toString().contains("s3cret"), result.toString());
    }

    @ParameterizedTest(name = "{0}")
    @Cases("settings-cases.txt")
    void itGoesAsTheCaseSays(String name, List<String> lines) throws IOException {
        try (Session session = new Session()) {
            session.environment.remove("KLAVIYO_TIMEOUT");
            session.environment.put("HOME", session.work.toString());
            session.play(lines);
        }
    }

    // ---- printed commands

    @ParameterizedTest
    @Cases("settings-cases.txt: printed commands")
    void commandsStartAsThisOneDid(String name, String value, String printed) {
        Run.Result result = triage("--drill", "outage").env(name, value).run();
        assertTrue(result.out().contains(printed + "\n"), result.toString());
    }

    @Command(name = "triage")
    static class OnAFullDisk implements Callable<Integer> {
        @Mixin
        Cli shared = new Cli();

        @Override
        public Integer call() throws IOException {
            throw new IOException("No space left on device");
        }
    }

    @Test
    void aFullDiskIsNoBugOfOurs() {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Screen.Host host = new Screen.Host(Map.of(), home, null, new PrintStream(err), new PrintStream(err));
        assertEquals(1, Cli.run(new OnAFullDisk(), host));
        String said = err.toString();
        assertTrue(said.startsWith("error: reading or writing failed: No space left on device"), said);
    }

    @Test
    void whatATerminalCannotShowHasAStandIn() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintStream stream = new PrintStream(out, true, StandardCharsets.US_ASCII);
        Screen.Host host = new Screen.Host(Map.of(), home, null, stream, stream, StandardCharsets.US_ASCII, false);
        new Screen(host, stream, true, Screen.Level.SHORT).line("401 × 7 · a – b → c…");
        assertEquals("401 x 7 | a - b -> c...\n", out.toString(StandardCharsets.US_ASCII));
    }

    /** However narrow a live view is, wherever that falls: between words, in one, in quotes, beside a quote in it. */
    @Test
    void aFoldedCommandIsWhatItWasToAShell() {
        Screen.Host host = new Screen.Host(Map.of(), home, null, System.out, System.err);
        Screen screen = new Screen(host, System.out, true, Screen.Level.SHORT);
        List<String> words = List.of("printf", "%s|", "--incident",
                "/tmp/a-long-path/without-any-space/20261126T030405Z", "two words",
                "it's 'quoted', and long enough to be folded", "--drill", "outage");
        String command = Tool.shown(words);
        String said = Run.command("sh", "-c", command).run().out();
        assertEquals(String.join("|", words.subList(2, 8)) + "|", said);
        for (int columns = 12; columns < 120; columns++) {
            List<String> lines = screen.folded(command, columns);
            int width = columns;
            assertTrue(lines.stream().allMatch(line -> line.length() <= width), lines.toString());
            assertEquals(said, Run.command("sh", "-c", String.join("\n", lines)).run().out(), lines.toString());
        }
    }

    // ---- templates and tables

    /** A file of the team's, what stands in it in place of what is built in, and what is said of it. */
    @ParameterizedTest(name = "{0} {2}")
    @Cases("settings-cases.txt: wrong texts and rows")
    void aWrongTextOrRowNamesFileIdAndFieldInALine(String file, String good, String bad, String says) throws Exception {
        String text = file.startsWith("slak") ? "" : Files.readString(Repository.file("templates/" + file));
        assertTrue(good == null || text.contains(good), "the case is out of date");
        Files.writeString(team.resolve(file), good == null ? text
                : text.replaceFirst(Pattern.quote(good), Matcher.quoteReplacement(bad)));
        Run.Result result = triage("--drill", "revoked-key", "--announce", "internal",
                "--templates", team.toString()).run();
        assertRefused(result, team.resolve(file).toString());
        assertTrue(result.err().contains(says) && result.err().lines().count() == 1, result.toString());
    }

    /** Every name that the empty one lists is one that each step knows, or leaves to another. */
    @ParameterizedTest
    @ValueSource(strings = {"triage", "rotate-key", "watch", "debug-bundle", "postmortem"})
    void aTeamFillsInWhatStandsThereAsComments(String step) throws IOException {
        String empty = Files.readString(Repository.file("templates/team.properties"));
        team(empty.replaceAll("(?m)^# (?=[a-z.-]+=)", ""));
        Run.Result result = Run.script(step).home(home).cwd(home).args("--help", "--templates", team.toString()).run();
        assertTrue(result.exit() == 0 && result.out().contains("--timeout 5s   (" + team), result.toString());
    }
}
