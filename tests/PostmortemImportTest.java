import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Settings.Problem;
import runbook.report.Notebook;
import runbook.Text.Moment;

/** Times as people say them, and events from other tools' files. */
class PostmortemImportTest {
    private static final Instant NOW = Instant.parse("2026-11-23T10:30:00Z");

    private static Notebook.Contents read(String content) throws IOException {
        Path file = Tree.temporary("import").resolve("file");
        Files.writeString(file, content);
        return Notebook.read(file, NOW);
    }

    @ParameterizedTest
    @CsvSource({
            "10:12,2026-11-23T10:12:00Z", "9:05,2026-11-23T09:05:00Z", "10:12:33Z,2026-11-23T10:12:33Z",
            "10:12 UTC,2026-11-23T10:12:00Z", "now,2026-11-23T10:30:00Z", "10 min ago,2026-11-23T10:20:00Z",
            "90 seconds ago,2026-11-23T10:28:30Z", "2 hours ago,2026-11-23T08:30:00Z",
            "1h30m ago,2026-11-23T09:00:00Z", "yesterday 23:50,2026-11-22T23:50:00Z",
            "2026-11-23 10:12,2026-11-23T10:12:00Z", "2026-11-23 10:12:07 UTC,2026-11-23T10:12:07Z",
            "2026-11-23T10:12,2026-11-23T10:12:00Z", "2026-11-23T10:12:00Z,2026-11-23T10:12:00Z",
            "2026-11-23T11:12:00+01:00,2026-11-23T10:12:00Z"})
    void timesAsPeopleSayThem(String said, Instant meant) {
        assertEquals(meant, Moment.past("--at", said, NOW, Optional.empty()));
    }

    @ParameterizedTest
    @ValueSource(strings = {
                "", "soon", "25:00", "10:61", "-5", "10", "99999999999 days ago", "2026-02-30 10:00", "10.12", "ago",
                "min ago"
            })
    void nonsenseIsRefusedWithTheFormsThatWork(String said) {
        Problem problem = assertThrows(Problem.class, () -> Moment.past("--at", said, NOW, Optional.empty()));

        assertTrue(problem.getMessage().startsWith("--at \"")
                        && problem.getMessage().contains("write 10:12, \"10 min ago\""), problem.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"10:31", "today 23:59", "2026-11-24 01:00", "2126-11-23T10:12:00Z"})
    void theFutureIsRefused(String said) {
        assertTrue(assertThrows(Problem.class, () -> Moment.past("--at", said, NOW, Optional.empty())).getMessage()
                .contains("is in the future"));
    }

    @Test
    void afterMidnightABareTimeIsYesterdaysWhenTheIncidentBeganThen() {
        Instant past = Instant.parse("2026-11-23T00:05:00Z");

        assertEquals(Instant.parse("2026-11-22T23:50:00Z"),
                Moment.past("--at", "23:50", past, Optional.of(Instant.parse("2026-11-22T22:00:00Z"))));
        assertThrows(Problem.class,
                () -> Moment.past("--at", "11:50", past, Optional.of(Instant.parse("2026-11-23T00:01:00Z"))),
                "before the incident, or in the future");
    }

    @ParameterizedTest
    @CsvSource({
        "03:10,2026-11-20T03:10:00Z", "23:50,2026-11-19T23:50:00Z", "15:00,2026-11-20T15:00:00Z",
        "today 09:00,2026-11-23T09:00:00Z"
    })
    void daysLaterABareTimeIsOfTheDayOfTheIncident(String said, Instant meant) {
        assertEquals(meant, Moment.past("--at", said, NOW, Optional.of(Instant.parse("2026-11-20T03:04:05Z"))));
    }

    @Test
    void slackExport() throws IOException {
        Notebook.Contents contents = read("""
            [{"type":"message","user":"U1","ts":"1763892000.000200","text":"<!here> <@U2> says <https://x.example/a?b=1&amp;c=2|this> &lt;b&gt; in <#C1|ops>","user_profile":{"real_name":"Ana"}},
             {"type":"message","subtype":"channel_join","user":"U2","ts":"1763892001.0","text":"<@U2> has joined"},
             {"type":"message","user":"U2","ts":"1763892060.5","text":"two\\nlines","user_profile":{"display_name":"Bob","real_name":"Robert"}},
             {"type":"message","user":"U2","ts":"4763892060.5","text":"from a wrong clock"}]\
            """);

        assertEquals("Slack", contents.form());
        assertEquals(List.of(new Notebook.Told(Instant.parse("2025-11-23T10:00:00Z"), "Ana", "note",
                                "@here @Bob says this (https://x.example/a?b=1&c=2) <b> in #ops"),
                        new Notebook.Told(Instant.parse("2025-11-23T10:01:00.500Z"), "Bob", "note", "two lines")),
                contents.told());
        assertEquals(1, contents.problems().size(), contents.problems().toString());
    }

    @Test
    void csv() throws IOException {
        Notebook.Contents contents = read("\uFEFFTime,Who ignored,Author,Message,Kind\r\n"
                + "2026-11-23 09:01,x,Pager,\"Alert, \"\"shop\"\" fired\",detected\r\n"
                + "2026-11-23T10:02:00+01:00,,Eve,\"two\nlines\",\r\n" + "nonsense,,,z,\r\n"
                + "2026-11-23 09:05,,Eve,done,closed\r\n");

        assertEquals(List.of(
                        new Notebook.Told(Instant.parse("2026-11-23T09:01:00Z"), "Pager", "detected",
                                "Alert, \"shop\" fired"),
                        new Notebook.Told(Instant.parse("2026-11-23T09:02:00Z"), "Eve", "note", "two lines"),
                        new Notebook.Told(Instant.parse("2026-11-23T09:05:00Z"), "Eve", "note", "done")),
                contents.told(), "an import never closes an incident");
        assertEquals(List.of("row 4 skipped"), contents.problems().stream().map(problem -> problem.substring(0, 13))
                        .toList());
    }

    @Test
    void jsonLines() throws IOException {
        Notebook.Contents contents = read("""
            {"at":"2026-11-23T09:03:00Z","text":"one","by":"Zoe"}
            {torn
            {"at":"2026-11-23T09:04:00Z","step":"x","event":"mitigated","summary":"two","data":{"by":"Yan"}}
            """);

        assertEquals(List.of(new Notebook.Told(Instant.parse("2026-11-23T09:03:00Z"), "Zoe", "note", "one"),
                new Notebook.Told(Instant.parse("2026-11-23T09:04:00Z"), "Yan", "mitigated", "two")), contents.told());
        assertEquals(List.of("line 2 skipped: it is torn or no JSON"), contents.problems());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "hello", "a,b\n1,2\n", "[{\"text\":", "\0\1\2"})
    void whatIsNoneOfThemIsRefused(String content) {
        assertThrows(Problem.class, () -> read(content));
    }
}
