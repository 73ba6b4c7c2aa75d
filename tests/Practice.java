import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import runbook.*;
import runbook.Settings.Problem;
import runbook.sandbox.*;

/**
 * A folder from which people and steps in other processes meet a sandbox: a file to source, the application's log, and
 * what a rotation needs. Store, restart and new key are team settings there, so that what a step prints can be pasted.
 */
record Practice(Path folder) {
    static final String VARIABLE = "KLAVIYO_PRIVATE_KEY";
    private static final String TEAM = "team.properties";

    /** Fills the folder, which need not be there. */
    static Practice prepare(Path folder, Sandbox sandbox, Cli shared) {
        Practice practice = new Practice(folder);
        try {
            practice.fill(sandbox, shared);
        } catch (IOException e) {
            throw new Problem("the sandbox's files cannot be written to " + Text.safe(folder.toString(), 200) + " ("
                    + Incident.why(e) + "): start it in another folder");
        }
        return practice;
    }

    private void fill(Sandbox sandbox, Cli shared) throws IOException {
        Path templates = folder.resolve("templates");
        // The application reads its key from a dotenv file when it starts, as a real one would from its store.
        leave(folder, ".env", Optional.ofNullable(sandbox.appKey()).map(key -> VARIABLE + "=" + key + "\n").orElse(""));
        sandbox.appKeyFile(folder.resolve(".env"), VARIABLE);
        leave(folder, "new-key", sandbox.newKey() + "\n");
        leave(folder, "app.log", sandbox.applicationLog());
        Optional<Path> theirs = shared.setting("templates").map(shared.host()::path);
        for (Path file : theirs.isPresent() ? files(theirs.get()) : List.<Path>of()) {
            leave(templates, file.getFileName().toString(), Files.readString(file));
        }
        String ours = "\nrotate-key.to=file:" + folder.resolve(".env") + "#" + VARIABLE
                + "\nrotate-key.restart=exec:curl -fsS -X POST " + sandbox.restartUrl()
                + "\nrotate-key.new-key-file=" + folder.resolve("new-key") + "\n";
        leave(templates, TEAM, shared.templates().text(TEAM) + ours.replace("\\", "\\\\"));
        Map<String, String> variables = new LinkedHashMap<>(sandbox.variables());
        variables.put("KLAVIYO_TEMPLATES", templates.toString());
        leave(folder, "sandbox.env", variables.entrySet().stream().map(one -> one.getValue() == null
                ? "unset " + one.getKey() + "\n" : "export " + one.getKey() + "=" + Text.word(one.getValue()) + "\n")
                .collect(Collectors.joining()));
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(Files::isRegularFile).toList();
        }
    }

    private static void leave(Path folder, String name, String content) throws IOException {
        new Incident(folder).write(name, content.getBytes(StandardCharsets.UTF_8));
    }

    /** What to source, in a shell or a script. */
    Path variables() {
        return folder.resolve("sandbox.env");
    }

    /** Takes the folder away again. */
    void remove() throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path file : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
