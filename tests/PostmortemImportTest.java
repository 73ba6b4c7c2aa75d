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
import runbook.Incident;
import runbook.Settings.Problem;
import runbook.Text.Moment;
import runbook.report.Notebook;

/** Times as people say them, and events from other tools' files. */
class PostmortemImportTest extends PostmortemJournals {
    private static final Instant NOW = Instant.parse("2026-11-23T10:30:00Z");
    private final Incident incident = empty();

    private Notebook.Taken take(String content) throws IOException {
        Path file = Tree.temporary("import").resolve("file");
        Files.writeString(file, content);
        return Notebook.of(incident, Optional.empty()).take(file, Instant.MIN, NOW, NOW);
    }

    /** The events and problems of a file as lines; a second time nothing is new. */
    private void assertTakes(String content, List<String> events, List<String> problems) throws IOException {
        assertEquals(problems, take(content).problems());
        assertEquals(events, incident.journal().read().events().stream().map(event -> event.at() + " " + event.event()
                + " " + event.data().path("by").asText() + ": " + event.summary()).toList());
        assertEquals(0, take(content).added());
    }

    // ---- times; a bare one is near the incident: after midnight it may be yesterday's, days later that day's

    @ParameterizedTest
    @CsvSource(nullValues = "-", value = {
        "10:12,2026-11-23T10:12:00Z,-", "9:05,2026-11-23T09:05:00Z,-", "10:12:33Z,2026-11-23T10:12:33Z,-",
        "10:12 UTC,2026-11-23T10:12:00Z,-", "now,2026-11-23T10:30:00Z,-", "10 min ago,2026-11-23T10:20:00Z,-",
        "90 seconds ago,2026-11-23T10:28:30Z,-", "2 hours ago,2026-11-23T08:30:00Z,-",
        "1h30m ago,2026-11-23T09:00:00Z,-",
        "2026-11-23 10:12,2026-11-23T10:12:00Z,-", "2026-11-23 10:12:07 UTC,2026-11-23T10:12:07Z,-",
        "2026-11-23T10:12,2026-11-23T10:12:00Z,-", "2026-11-23T10:12:00Z,2026-11-23T10:12:00Z,-",
        "2026-11-23T11:12:00+01:00,2026-11-23T10:12:00Z,-", "23:50,2026-11-22T23:50:00Z,2026-11-22T22:00:00Z",
        "03:10,2026-11-20T03:10:00Z,2026-11-20T03:04:05Z", "23:50,2026-11-19T23:50:00Z,2026-11-20T03:04:05Z",
        "15:00,2026-11-20T15:00:00Z,2026-11-20T03:04:05Z"})
    void timesAsPeopleSayThem(String said, Instant meant, Instant began) {
        assertEquals(meant, Moment.past("--at", said, NOW, Optional.ofNullable(began)));
    }

    @ParameterizedTest
    @CsvSource({"'',no time", "soon,no time", "25:00,no time", "10:61,no time", "-5,no time", "10,no time",
        "99999999999 days ago,no time", "2026-02-30 10:00,no time", "10.12,no time", "ago,no time",
        "10:31,in the future", "2126-11-23T10:12:00Z,in the future"})
    void nonsenseAndTheFutureAreRefused(String said, String why) {
        Problem problem = assertThrows(Problem.class, () -> Moment.past("--at", said, NOW, Optional.empty()));
        assertTrue(problem.getMessage().startsWith("--at \"" + said + "\" is " + why)
                && problem.getMessage().contains(why.equals("no time") ? "write 10:12, \"10 min ago\"" : "UTC"),
                problem.getMessage());
    }

    // ---- files

    @Test
    void aChannelsDayFromSlack() throws IOException {
        assertTakes("""
            [{"user":"U1","ts":"1763892000.000200","user_profile":{"real_name":"Ana"},
              "text":"<!here> <@U2|bob> says <https://x.example/a|this> &lt;b&gt; in <#C1|ops>"},
             {"subtype":"channel_join","user":"U2","ts":"1763892001.0","text":"<@U2> has joined"},
             {"ts":"1763892060.5","text":"two\\nlines","user_profile":{"display_name":"Bob","real_name":"Robert"}},
             {"user":"U2","ts":"4763892060.5","text":"from a wrong clock"}]\
            """, List.of("2025-11-23T10:00:00Z note Ana: @here @bob says this (https://x.example/a) <b> in #ops",
                "2025-11-23T10:01:00.500Z note Bob: two lines"), List.of("row 4 skipped: its time \"2120-12-17T15:21:00.500Z\" is in "
                + "the future: it is 2026-11-23T10:30Z now (times are UTC)"));
    }

    @Test
    void csvWithAHeader() throws IOException {
        assertTakes("\uFEFFTime,Who ignored,Author,Message,Kind\r\n"
                + "2026-11-23 09:01,x,Pager,\"Alert, \"\"shop\"\" fired\",detected\r\n"
                + "2026-11-23T10:02:00+01:00,,Eve,\"two\nlines\",\r\n" + "2026-11-23 09:03,,,,\r\n"
                // An import never closes an incident.
                + "2026-11-23 09:05,,Eve,done,closed\r\n",
                List.of("2026-11-23T09:01:00Z detected Pager: Alert, \"shop\" fired",
                "2026-11-23T09:02:00Z note Eve: two lines", "2026-11-23T09:05:00Z note Eve: done"),
                List.of("row 3 skipped: it has no text"));
    }

    @Test
    void jsonLines() throws IOException {
        assertTakes("""
            {"at":"2026-11-23T09:03:00Z","text":"one","by":"Zoe"}

            {"at":"2026-11-23T09:04:00Z","step":"x","event":"mitigated","summary":"two","data":{"by":"Yan"}}
            {"at":"2026-11-23T09:05:00Z","text":"later than wanted: 2026-11-24","time":"x"}
            """, List.of("2026-11-23T09:03:00Z note Zoe: one", "2026-11-23T09:04:00Z mitigated Yan: two",
                "2026-11-23T09:05:00Z note : later than wanted: 2026-11-24"), List.of());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "hello", "a,b\n1,2\n", "[{\"text\":", "\0\1\2",
        "{\"at\":\"2026-11-23T09:03:00Z\",\"text\":\"one\"}\n{torn\n"})
    void whatIsNoneOfThemIsRefusedWhole(String content) {
        assertThrows(Problem.class, () -> take(content));
        assertTrue(Files.notExists(incident.journal().file()));
    }
}
