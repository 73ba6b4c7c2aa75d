import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import runbook.Text.Json;

/** Answers as they were seen in the wild, and what whoever was paged is told of them. */
class WildAnswersTest {
    private static final String KEY = "pk_" + "0a".repeat(17);

    @TempDir
    Path folder;

    /**
     * What came, and what is made of it.
     *
     * @param id      what it is, and where it was seen
     * @param answers by path; the rest is well
     * @param options of triage
     * @param verdict diagnosis, severity and exit code
     * @param path    the answers to the tree's questions
     * @param check   the check that tells; the status page's where there is none
     * @param says    what its line has to match
     */
    private record Row(String id, Map<String, Answer> answers, List<String> options, String verdict, String path,
                       Optional<String> check, String says) { }

    /** An answer; JSON where no header says something else. A body that is no JSON stands there as text. */
    private record Answer(int status, List<String> headers, JsonNode body) {
        LoopbackServer.Response scripted() {
            String text = body.isTextual() ? body.textValue() : body.toString();
            boolean typed = headers.stream().anyMatch(header -> header.startsWith("content-type")) || text.isEmpty();
            LoopbackServer.Response bare = new LoopbackServer.Response(status, text, String.join("\n", headers));
            return typed ? bare : new LoopbackServer.Response(status, text).with(String.join("\n", headers));
        }
    }

    @TestFactory
    Stream<DynamicTest> anAnswerSeenInTheWildHasTheRightVerdict() {
        return Stream.of("tests/wild-errors.json", "tests/wild-pages.json", "tests/right-answers.json")
                .map(Repository::file)
                .flatMap(file -> Json.table(file.toString(), Tree.read(file).getBytes(StandardCharsets.UTF_8), false,
                        Row.class).values().stream())
                .map(row -> dynamicTest(row.id, () -> judge(row)));
    }

    private void judge(Row row) {
        Map<String, LoopbackServer.Response> answers = new LinkedHashMap<>();
        row.answers.forEach((path, answer) -> answers.put(path, answer.scripted()));
        try (LoopbackServer server = LoopbackServer.wellBut(answers)) {
            TriageRun run = run(row, server);
            // A machine under load can be what is slow: that tells nothing of the answers.
            for (int again = 0; again < 5 && run.verdict().matches("(klaviyo-slow|indeterminate) .*"); again++) {
                run = run(row, server);
            }
            TriageRun last = run;
            String line = last.check(row.check.orElse("status-page"));
            assertAll(() -> assertEquals(row.verdict, last.verdict()),
                    () -> assertEquals(row.path, String.join("; ", last.path())),
                    () -> assertTrue(Pattern.compile(row.says).matcher(line).find(),
                            () -> "\"" + line + "\" does not match " + row.says));
        }
    }

    private TriageRun run(Row row, LoopbackServer server) {
        return TriageRun.of(Run.script("triage").args(TriageRun.pointedAt(server.url()))
                .args(row.options.toArray(String[]::new)).args("--timeout", "20s").env("KLAVIYO_PRIVATE_KEY", KEY)
                .cwd(folder));
    }
}
