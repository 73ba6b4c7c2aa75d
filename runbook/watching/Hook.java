package runbook.watching;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import runbook.Settings.Problem;

/**
 * A command that is run on every change of state ({@code --exec}). It is split into words here and never passes a shell,
 * so nothing that came from outside can become a command; what happened is in environment variables.
 */
public final class Hook {
    private static final int SECONDS = 30;
    // Whoever needs these has them from elsewhere; a hook that logs its environment would give them away.
    private static final Set<String> SECRETS =
            Set.of("KLAVIYO_PRIVATE_KEY", "KLAVIYO_NEW_PRIVATE_KEY", "SLACK_WEBHOOK_URL");

    private final List<String> words;

    private Hook(List<String> words) {
        this.words = words;
    }

    /**
     * Splits a command line: words at white space, {@code '…'} as it is, {@code "…"} and anything bare with {@code \} as
     * the escape. Nothing is expanded.
     *
     * @throws Problem when a quote stays open, or nothing is there
     */
    public static Hook of(String option, String line) {
        List<String> words = new ArrayList<>();
        StringBuilder word = null;
        char quote = 0;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            boolean space = quote == 0 && Character.isWhitespace(c);
            if (space && word != null) {
                words.add(word.toString());
                word = null;
            }
            if (space) {
                continue;
            }
            word = word == null ? new StringBuilder() : word;
            if (c == quote) {
                quote = 0;
            } else if (quote == 0 && (c == '\'' || c == '"')) {
                quote = c;
            } else if (c == '\\' && quote != '\'' && i + 1 < line.length()) {
                word.append(line.charAt(++i));
            } else {
                word.append(c);
            }
        }
        if (word != null) {
            words.add(word.toString());
        }
        if (quote != 0 || words.isEmpty()) {
            throw new Problem(
                    option + ": " + (quote != 0 ? "a " + quote + " is never closed" : "there is no command in it"));
        }
        return new Hook(List.copyOf(words));
    }

    /** The program and its arguments. */
    public List<String> words() {
        return words;
    }

    /** The program's name without its folder: arguments may hold what nobody should read. */
    String name() {
        return String.valueOf(Path.of(words.get(0)).getFileName());
    }

    /**
     * Runs it to its end, at most 30 seconds.
     *
     * @param variables added to the environment, less everything that is secret
     * @return what became of it: empty when it ended with 0
     */
    String run(Map<String, String> variables) throws InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(words)
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().keySet().removeAll(SECRETS);
        builder.environment().putAll(variables);
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            return "cannot be started: " + e.getMessage();
        }
        if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
            return "was stopped after " + SECONDS + " s";
        }
        return process.exitValue() == 0 ? "" : "ended with " + process.exitValue();
    }
}
