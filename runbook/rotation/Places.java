package runbook.rotation;

import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import runbook.Key;
import runbook.Settings.Problem;
import runbook.Text;

/** The table of stores and restart targets: how each is written on the command line, and what it becomes. */
public final class Places {
    /** {@code make} gets the whole match; group 0 is what was typed. */
    private record Row<T>(String usage, Pattern form, Function<Matcher, T> make) { }

    private static final String WORD = "([A-Za-z0-9_][A-Za-z0-9_.-]*)";
    private static final String REGION = "([a-z]+(?:-[a-z]+)+-?\\d+)";
    private static final String VARIABLE = "([A-Za-z_][A-Za-z0-9_]*)";

    private static final List<Row<SecretStore>> STORES = List.of(
            store("gcp:SECRET[@PROJECT]", WORD + "(?:@([a-z0-9][a-z0-9.:-]*))?",
                    is -> new GcpSecret(is.group(), is.group(1), is.group(2))),
            store("aws:SECRET_ID[@REGION][#FIELD]", "([A-Za-z0-9/_][A-Za-z0-9/_+=.@:-]*?)(?:@" + REGION + ")?(?:#([^#@]+))?",
                    is -> new AwsSecret(is.group(), is.group(1), is.group(2), is.group(3))),
            store("aws:SECRET_ID#FIELD@REGION", "([A-Za-z0-9/_][A-Za-z0-9/_+=.@:-]*?)#([^#@]+)@" + REGION,
                    is -> new AwsSecret(is.group(), is.group(1), is.group(3), is.group(2))),
            store("azure:VAULT/SECRET", "([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9][A-Za-z0-9-]*)",
                    is -> new AzureSecret(is.group(), is.group(1), is.group(2))),
            store("k8s:NAMESPACE/SECRET/FIELD", "([a-z0-9][a-z0-9-]*)/([a-z0-9][a-z0-9.-]*)/([A-Za-z0-9_.-]+)",
                    is -> new KubernetesSecret(is.group(), is.group(1), is.group(2), is.group(3))),
            store("vault:PATH#FIELD", "([A-Za-z0-9_][A-Za-z0-9/_.-]*)#([A-Za-z0-9_][A-Za-z0-9_.-]*)",
                    is -> new VaultSecret(is.group(), is.group(1), is.group(2))),
            store("github:OWNER/REPO/NAME", "([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.][A-Za-z0-9_.-]*)/" + VARIABLE,
                    is -> new GithubSecret(is.group(), is.group(1), is.group(2))),
            store("heroku:APP/VAR", "([a-z][a-z0-9-]*)/" + VARIABLE,
                    is -> new HerokuVariable(is.group(), is.group(1), is.group(2))),
            store("file:PATH#VAR", "([^\\x00-\\x1f]+)#" + VARIABLE, is -> DotenvFile.of(is.group(1), is.group(2))),
            store("exec:COMMAND", "(\\s*\\S[^\\x00]*)", is -> new ExecStore(is.group(), is.group(1))));

    private static final List<Row<RestartTarget>> TARGETS = List.of(
            target(
                    "k8s:NAMESPACE/deployment/NAME",
                    "([a-z0-9][a-z0-9-]*)/((?:deployment|statefulset|daemonset)/[a-z0-9][a-z0-9.-]*)",
                    is -> new KubernetesRollout(is.group(), is.group(1), is.group(2))),
            target("cloudrun:SERVICE@REGION", "([a-z][a-z0-9-]*)@" + REGION,
                    is -> new CloudRunService(is.group(), is.group(1), is.group(2))),
            target("ecs:CLUSTER/SERVICE", WORD + "/" + WORD, is -> new EcsService(is.group(), is.group(1), is.group(2))),
            target("systemd:UNIT", "([A-Za-z0-9_][A-Za-z0-9_.@:\\\\-]*)", is -> new SystemdUnit(is.group(), is.group(1))),
            target("heroku:APP", "([a-z][a-z0-9-]*)", is -> new HerokuDynos(is.group(), is.group(1))),
            target("exec:COMMAND", "(\\s*\\S[^\\x00]*)", is -> new ExecRestart(is.group(), is.group(1))));

    private Places() { }

    private static Row<SecretStore> store(String usage, String form, Function<Matcher, SecretStore> make) {
        return new Row<>(usage, pattern(usage, form), make);
    }

    private static Row<RestartTarget> target(String usage, String form, Function<Matcher, RestartTarget> make) {
        return new Row<>(usage, pattern(usage, form), make);
    }

    // Names never start with a dash: no tool can take one for an option.
    private static Pattern pattern(String usage, String form) {
        return Pattern.compile("(?s)" + usage.substring(0, usage.indexOf(':') + 1) + form);
    }

    /**
     * The store that was typed after {@code --to}.
     *
     * @throws Problem that shows how it is written, when it is none
     */
    public static SecretStore store(String typed) {
        return find(STORES, "--to", typed);
    }

    /**
     * The restart target that was typed after {@code --restart}.
     *
     * @throws Problem that shows how it is written, when it is none
     */
    public static RestartTarget target(String typed) {
        return find(TARGETS, "--restart", typed);
    }

    private static <T> T find(List<Row<T>> rows, String option, String typed) {
        if (!Key.mask(typed).equals(typed)) {
            throw new Problem(option
                    + " has a key in it, where every process list shows it: let the command read it from"
                    + " standard input");
        }
        for (Row<T> row : rows) {
            Matcher form = row.form.matcher(typed);
            if (form.matches()) {
                return row.make.apply(form);
            }
        }
        String prefix = typed.substring(0, typed.indexOf(':') + 1);
        String near = rows.stream().map(Row::usage).filter(usage -> !prefix.isEmpty() && usage.startsWith(prefix)).findFirst()
                .orElseGet(() -> rows.stream().map(Row::usage).collect(Collectors.joining(", ")));
        throw new Problem(option + " " + Text.safe(typed, 60) + ": write " + near);
    }
}
