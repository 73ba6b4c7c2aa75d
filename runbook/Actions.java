package runbook;

import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * The runbook's immediate actions, and more, for each diagnosis: data to edit. What they quote is never a secret; names
 * in capitals are for the reader to fill in.
 */
final class Actions {
    private interface Template extends BiFunction<Verdict, Launcher, Action> { }

    private static final Template TELL = ours("Tell people within 5 minutes, then at least every 20", "triage",
            "--announce both");
    private static final Template WATCH = ours("Watch for recovery", "watch", "");
    private static final Template EVIDENCE = ours("Collect evidence that is safe to share", "debug-bundle", "--since 2h");
    private static final Template FALLBACK = say("Enable fallback mode: the application has to work without Klaviyo, and queue failed requests for retry");
    private static final Template TICKET = both("Open a ticket at Klaviyo support with the cf-ray ids from the bundle",
            "https://help.klaviyo.com/hc/en-us/requests/new");
    private static final Template PAGE = run("Read the status page's newest update",
            verdict -> "curl -gsS --max-time 10 " + target(verdict).status() + "/api/v2/summary.json");
    private static final Template ROTATE = rotate("Make a new private key in Klaviyo (Settings > API keys > Create Private API Key), then replace it everywhere", "--dry-run");
    private static final Template WRITE_UP = ours("Write it up once it is over", "postmortem", "");

    private static final Map<Diagnosis, List<Template>> TABLE = new EnumMap<>(Diagnosis.class);

    static {
        TABLE.put(Diagnosis.KLAVIYO_OUTAGE, List.of(FALLBACK, TELL, PAGE, WATCH, EVIDENCE, WRITE_UP));
        TABLE.put(Diagnosis.SILENT_OUTAGE, List.of(FALLBACK, TELL, TICKET, WATCH, EVIDENCE,
                say("Do not wait for the status page: it has been a day late before (April 2026)"), WRITE_UP));
        TABLE.put(Diagnosis.KLAVIYO_DEGRADED, List.of(
                say("Retry with backoff, and queue what fails: events may arrive late, do not send them twice by hand"),
                PAGE, TELL, WATCH, EVIDENCE));
        TABLE.put(Diagnosis.SERVER_ERROR, List.of(
                say("Retry 5xx with backoff and jitter; check that 502 is retried too, which Klaviyo's SDKs do not do"),
                WATCH, TELL, EVIDENCE, TICKET));
        TABLE.put(Diagnosis.NETWORK, List.of(
                say("Try another network (mobile), or run this where the application runs: it may be only this machine"),
                run("Look up the name, and follow the way", verdict -> "getent hosts " + host(verdict)
                        + "; curl -gsSv --max-time 10 -o /dev/null " + target(verdict).api()),
                run("Check proxy and firewall", verdict -> "env | grep -i _proxy= | sed 's#//[^@]*@#//#'"),
                say("No status page either: look at @klaviyo from a phone"), WATCH));
        TABLE.put(Diagnosis.KEY_MALFORMED, List.of(
                say("Correct how the key is stored: the bare key, without quotes, white space, 'Bearer' or a line end"),
                run("Google: store it again from a file without a line end",
                        verdict -> "gcloud secrets versions add klaviyo-key --data-file=KEYFILE"),
                run("AWS: the same",
                        verdict -> "aws secretsmanager put-secret-value --secret-id klaviyo-key --secret-string file://KEYFILE"),
                rotate("Or let it be stored, read back and verified", ""), ours("Check again", "triage", "")));
        TABLE.put(Diagnosis.KEY_INVALID, List.of(
                say("Ask who disabled or replaced the key: Klaviyo > Settings > API keys shows its state"), ROTATE,
                ours("By hand instead? After storing the new key, restart the application, and check", "triage", ""),
                TELL, WATCH, EVIDENCE, WRITE_UP));
        TABLE.put(Diagnosis.STALE_APP_KEY, List.of(
                say("The key here works, the application's does not: compare the fingerprint above with that of the secret it reads"),
                run("Google: which versions are there", verdict -> "gcloud secrets versions list klaviyo-key"),
                run("AWS: which version is current", verdict -> "aws secretsmanager describe-secret --secret-id klaviyo-key"),
                run("Kubernetes: restart so that it reads the secret again",
                        verdict -> "kubectl rollout restart deployment/APP && kubectl rollout status deployment/APP"),
                rotate("Or store the working key and restart, verified", ""), WATCH));
        TABLE.put(Diagnosis.SCOPE_MISSING, List.of(
                say("Scopes of a key cannot be changed: make a new one with the scope named above (Settings > API keys > Create Private API Key)"), ROTATE, WATCH));
        TABLE.put(Diagnosis.RATE_LIMITED, List.of(
                (verdict, launcher) -> new Action("Reduce volume at once: lower the queue's concurrency, sample, pause jobs"
                        + " that can wait" + wait(verdict), null),
                say("Honour Retry-After in the client, with jitter; all private keys of the account share one quota"),
                run("Look for a loop that calls without end",
                        verdict -> "journalctl -u APP --since '15 min ago' | grep -ci klaviyo"),
                WATCH, TELL));
        TABLE.put(Diagnosis.PAYLOAD_INVALID, List.of(
                say("Find the field: the error's source.pointer in the application's log names it"), EVIDENCE,
                say("Compare with the last deployment; roll it back if the 400s began with it"),
                say("Keep the refused payloads: they have to be sent again once they are valid")));
        TABLE.put(Diagnosis.REVISION_RETIRED, List.of(
                (verdict, launcher) ->
                        new Action("Set the revision header to " + Revision.NEWEST + " in the application, test, deploy", null),
                (verdict, launcher) -> new Action("See whether it works here first",
                        launcher.line("triage", "--revision " + Revision.NEWEST)), WATCH));
        TABLE.put(Diagnosis.REVISION_DEPRECATED, List.of(
                (verdict, launcher) -> new Action("Plan the move to " + Revision.NEWEST + ": "
                        + verdict.findings().revision().check().summary(), null)));
        TABLE.put(Diagnosis.CDN_BLOCKED, List.of(
                say("Not a scope: do not rotate the key. Note the cf-ray ids and the address we leave from"),
                say("Leave from another address, or slow down bursts: shared cloud addresses (Lambda, NAT) get challenged"),
                EVIDENCE, TICKET, WATCH));
        TABLE.put(Diagnosis.APP_UNHEALTHY, List.of(
                say("Klaviyo is not the cause that leads here: look at our own infrastructure first"),
                run("Pods", verdict -> "kubectl get pods -A | grep -vE 'Running|Completed'; kubectl top pods"),
                run("What it says", verdict -> "curl -gsS --max-time 10 " + orElse(target(verdict).app(), "HEALTH-URL")),
                say("Check memory, network, and the last deployment"), WATCH));
        TABLE.put(Diagnosis.WEBHOOK_DOWN, List.of(
                say("Check route, ingress and the last deployment; Klaviyo retries 429, 500, 502 and 503 for 24 h and drops the rest"),
                run("Ask the route", verdict -> webhook(verdict, "curl -gsSi --max-time 10 ")),
                say("If it is disabled at Klaviyo, enable it again: Integrations > Webhooks"), WATCH));
        TABLE.put(Diagnosis.WEBHOOK_CERTIFICATE, List.of(
                run("See the certificate", verdict -> "openssl s_client -connect " + authority(verdict)
                        + " </dev/null 2>/dev/null | openssl x509 -noout -dates -subject -issuer"),
                say("Renew it, and find out why it was not renewed by itself"), WATCH));
        TABLE.put(Diagnosis.PARTIAL, List.of(
                say("Check the endpoint that fails; let the others go on, and queue what needs this one"),
                PAGE, WATCH, EVIDENCE));
        TABLE.put(Diagnosis.MONITORING_GAP, List.of(
                say("Status page unreachable: another network, or @klaviyo. Metrics unavailable: the direct checks above still hold"),
                run("Is Prometheus ready?", verdict -> "curl -gsS --max-time 10 "
                        + orElse(target(verdict).prometheus(), "PROMETHEUS-URL") + "/-/ready")));
        TABLE.put(Diagnosis.KEY_MISSING, List.of(
                both("Give the key, for this shell only, without it landing in the history",
                        "read -rs KLAVIYO_PRIVATE_KEY && export KLAVIYO_PRIVATE_KEY"),
                ours("Or from a secret store", "triage",
                        "--key-command 'gcloud secrets versions access latest --secret=klaviyo-key'")));
        TABLE.put(Diagnosis.INDETERMINATE,
                List.of(ours("Wait a minute, for the limits of our own probes, and run it again", "triage", "")));
        TABLE.put(Diagnosis.HEALTHY, List.of(ours("Resolved or intermittent: keep an eye on it", "watch", "--for 10m")));
    }

    private Actions() { }

    static List<Action> of(Verdict verdict, Launcher launcher) {
        List<Action> actions = new ArrayList<>();
        TABLE.get(verdict.diagnosis()).forEach(template -> actions.add(template.apply(verdict, launcher)));
        return actions;
    }

    private static Template say(String text) {
        return (verdict, launcher) -> new Action(text, null);
    }

    private static Template both(String text, String command) {
        return (verdict, launcher) -> new Action(text, command);
    }

    private static Template run(String text, Function<Verdict, String> command) {
        return (verdict, launcher) -> new Action(text, command.apply(verdict));
    }

    private static Template ours(String text, String script, String options) {
        return (verdict, launcher) -> new Action(text, launcher.line(script, options));
    }

    // A drill brings a store and an application of its own.
    private static Template rotate(String text, String options) {
        return (verdict, launcher) -> new Action(text, launcher.line("rotate-key",
                ((launcher.options().contains("--drill") ? "" : "--to STORE --restart TARGET ") + options).strip()));
    }

    // A drill's sandbox is gone by the time that somebody pastes a command.
    private static Settings.Target target(Verdict verdict) {
        Settings settings = verdict.findings().settings();
        return settings.drill().isPresent() ? Settings.Target.KLAVIYO : settings.target();
    }

    private static String host(Verdict verdict) {
        return target(verdict).api().getHost();
    }

    private static String wait(Verdict verdict) {
        var seconds = verdict.findings().limits().retryAfterSeconds();
        return seconds.orElse(0) > 0
                ? "; the window is full again in " + Durations.words(Duration.ofSeconds(seconds.getAsLong()))
                : "";
    }

    private static String orElse(URI address, String placeholder) {
        return address == null ? placeholder : address.toString();
    }

    private static String webhook(Verdict verdict, String command) {
        Settings.Target target = target(verdict);
        return target.webhook() == null ? null : command + target.webhook();
    }

    private static String authority(Verdict verdict) {
        var route = target(verdict).webhook();
        return route == null ? "HOST:443" : route.getHost() + ":" + (route.getPort() == -1 ? 443 : route.getPort());
    }
}
