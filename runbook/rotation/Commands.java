package runbook.rotation;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Text;
import runbook.rotation.Trouble.Kind;

/** What can be known of a shell command without running it. */
final class Commands {
    private static final Pattern FIRST_WORD = Pattern.compile("\\s*([A-Za-z0-9_./+-]+)(\\s.*)?", Pattern.DOTALL);

    private Commands() { }

    /** The command that asks the shell whether the first word of another is there. */
    static Command lookup(String line) {
        Matcher first = FIRST_WORD.matcher(line);
        return Command.of("/bin/sh", "-c", "command -v \"$1\"", "sh", first.matches() ? first.group(1) : ":");
    }

    /** Refuses a command whose program is not there. */
    static void present(Tool tool, String line) throws Trouble {
        if (tool.attempt(lookup(line), "").exit() != 0) {
            String program = lookup(line).words().get(4);
            throw new Trouble(Kind.MISSING_TOOL, "exec: " + Text.safe(program, 80) + " is not there", Remedies.install(program));
        }
    }
}
