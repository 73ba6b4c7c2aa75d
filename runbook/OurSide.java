package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.ApiChecks.Health;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.Message.Slack;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Text.Json;
import runbook.redact.*;

/**
 * Our own side: the network from here, the application's health, the route that Klaviyo delivers to, and in peacetime
 * whether all is there that an incident will need.
 */
public final class OurSide {
    /** What to do about a status that the application gets and that is no incident by itself. */
    static final SortedMap<String, String> ADVICE = new TreeMap<>(Map.of(
            "409", "409 duplicate_profile: it is there already, its id in meta.duplicate_profile_id: PATCH that one, "
                    + "it counts as done",
            "413", "413: one request is too large: split the batch, and look for a profile over the size limit in it",
            "202", "202 says accepted, not processed: of events of a profile with the same unique_id one is kept, "
                    + "and it defaults to the second: send a unique_id of your own"));
    /** A refusal without a branch of its own in the decision tree. */
    static final String OTHER_REFUSAL = "(?!400|401|403|409|410|429)4\\d\\d|4xx";

    private static final Duration EXPIRES_SOON = Duration.ofDays(14);

    private OurSide() { }

    // ---- the network from here

    /**
     * The way to the API, gone once as far as a connection, to the proxy where there is one: DNS and connect. What TLS
     * makes of it, the requests tell. It is reached where the server itself let us connect.
     */
    record NetworkPath(Check check, boolean reachesServer) {
        static final NetworkPath UNTRODDEN = new NetworkPath(Check.skipped("network", "not asked for"), false);

        /** Goes it. Never throws, and ends by the deadline. */
        static NetworkPath of(Http http) {
            URI api = http.settings.target().api();
            Optional<URI> proxy = Settings.proxyFor(http.settings.proxies(), api);
            URI first = proxy.orElse(api);
            long start = System.nanoTime();
            String timing = "";
            Fault fault = null;
            try (Socket socket = new Socket()) {
                // The platform's lookup cannot be interrupted: it is left behind when time is up.
                InetSocketAddress address = CompletableFuture.supplyAsync(() ->
                        new InetSocketAddress(first.getHost(), Settings.port(first)))
                        .get(http.left.get().toNanos(), TimeUnit.NANOSECONDS);
                timing = "DNS " + Http.millis(start) + " ms";
                long found = System.nanoTime();
                socket.connect(address, (int) http.left.get().toMillis());
                timing += ", connect " + Http.millis(found) + " ms";
            } catch (TimeoutException e) {
                fault = new Fault(Http.Kind.DNS, "DNS: no answer for " + Text.safe(first.getHost(), 80)
                        + " within the timeout", Http.millis(start));
            } catch (IOException | InterruptedException | ExecutionException e) {
                fault = Http.fault(e, api, proxy);
            }
            String way = timing + proxy.map(at -> " through proxy " + Settings.hostPort(at)).orElse("");
            String where = way.isEmpty() ? "" : " (" + way.strip() + ")";
            Check check = new Check("network", fault == null ? Outcome.OK : Outcome.FAIL,
                    fault == null ? way : fault.words() + where, Http.millis(start), null, Json.object());
            return new NetworkPath(check, fault == null && proxy.isEmpty());
        }
    }

    // ---- our application's health, by its own endpoint: the state is whether it is healthy

    static Check health(Http http) {
        URI app = http.settings.target().app();
        if (app == null) {
            return Check.skipped("app", "no health endpoint given: --app-url or KLAVIYO_APP_URL");
        }
        Answer answer = http.get(app);
        if (!(answer instanceof Reply reply)) {
            return new Check("app", Outcome.FAIL, answer.words(), answer.millis(), null, Json.object(), "no");
        }
        String state = Health.untold(reply) ? "not told" : switch (Health.of(reply)) {
            case HEALTHY -> "yes";
            case DEGRADED -> "degraded";
            case DOWN, UNREACHABLE -> "no";
        };
        Outcome unwell = state.equals("no") ? Outcome.FAIL : Outcome.WARN;
        String shown = reply.json().path("keyFingerprint").asText();
        JsonNode detail = Json.of(Map.of("status", Redactor.strict().text(Text.safe(Health.field(reply), 40)), "body",
                Health.body(reply), "keyFingerprint", shown.matches("[0-9a-f]{8}") ? shown : ""));
        return new Check("app", state.equals("yes") ? Outcome.OK : unwell, Health.words(reply), reply.millis(),
                reply.status(), detail, state);
    }

    // ---- the route that Klaviyo delivers to: the state is whether webhooks arrive

    static Check webhook(Http http) {
        URI route = http.settings.target().webhook();
        if (route == null) {
            return Check.skipped("webhook", "no route given: --webhook-url or KLAVIYO_WEBHOOK_URL");
        }
        // GET first, since it changes nothing anywhere. Only where GET has no route, or is sent elsewhere, is an empty
        // POST worth it.
        Answer answer = http.once("GET", route, Map.of(), null);
        if (answer instanceof Reply reply && (reply.status() == 404 || reply.redirects())) {
            Map<String, String> json = Map.of("Content-Type", "application/json");
            answer = http.once("POST", route, json, new byte[0]);
        }
        if (!(answer instanceof Reply reply)) {
            Http.Kind kind = ((Fault) answer).kind();
            boolean certificate = kind.tls() && kind != Http.Kind.TLS;
            return new Check("webhook", Outcome.FAIL, answer.words(), answer.millis(), null, Json.object(),
                    certificate ? "no: certificate" : "no: route");
        }
        // A redirect is no delivery: nothing says that Klaviyo would follow one.
        boolean live = reply.status() < 500 && !reply.redirects() && reply.status() != 404 && reply.status() != 410;
        boolean page = reply.status() == 200 && reply.html();
        String dead = reply.redirects() ? ", a redirect, which no delivery is known to follow"
                : ": the route is not there or fails";
        String there = page ? " with a web page: is that the route, or the site's page for everything?"
                : " to an unsigned request: the route is live";
        Instant end = reply.expires();
        String until = end == null ? "" : ", certificate until " + end.toString().substring(0, 10) + " ("
                + Text.count(Duration.between(Instant.now(), end).toDays(), "day") + ")";
        boolean soon = end != null && end.isBefore(Instant.now().plus(EXPIRES_SOON));
        Outcome well = page || soon ? Outcome.WARN : Outcome.OK;
        String arriving = soon ? "yes, but the certificate ends soon" : "yes";
        return new Check("webhook", live ? well : Outcome.FAIL,
                "HTTP " + reply.status() + (live ? there : dead) + until, reply.millis(),
                reply.status(), Json.object(), live ? arriving : "no: route");
    }

    /** The same, with what {@code GET /api/webhooks} told of it. Klaviyo cuts the address down to its host. */
    static Check listed(Check route, List<ApiChecks.Probe> probes, URI ours) {
        Optional<Reply> listing = probes.stream().filter(probe -> probe.endpoint().is(Endpoint.WEBHOOKS)).findFirst()
                .flatMap(ApiChecks.Probe::success);
        if (route.outcome() == Outcome.SKIPPED || listing.isEmpty()) {
            return route;
        }
        String host = "(?i)\\w+://" + Pattern.quote(ours.getHost()) + "([:/?#].*)?";
        Set<Boolean> enabled = listing.get().json().path("data").valueStream()
                .filter(webhook -> webhook.at("/attributes/endpoint_url").asText().matches(host))
                .map(webhook -> webhook.at("/attributes/enabled").asBoolean()).collect(Collectors.toSet());
        boolean disabled = enabled.equals(Set.of(false));
        String known = disabled ? "; disabled at Klaviyo" : "; enabled at Klaviyo";
        String summary = route.summary() + (enabled.isEmpty() ? "; Klaviyo lists no webhook of this host" : known);
        Outcome unsure = enabled.isEmpty() && route.outcome() == Outcome.OK ? Outcome.WARN : route.outcome();
        return new Check(route.name(), disabled ? Outcome.FAIL : unsure, summary, route.millis(), route.http(),
                route.detail(), disabled && route.state().startsWith("yes") ? "no: route" : route.state());
    }

    // ---- in peacetime: whether all is there that an incident will need

    /** The checks, and what the other steps stand on: each as the team has set it. */
    public static List<Check> preflight(Checks.Findings found, Screen.Host host, Tool.Launcher launcher) {
        List<Check> all = new ArrayList<>(found.checks());
        // Whether the application's log is there is asked of what collects it, below.
        all.remove(found.log().check());
        all.add(need("scopes", !found.scopes().isEmpty(), "seen to work: " + String.join(", ", found.scopes())
                + "; what writes is not tried, rotate-key --needs is", "none was seen to work: see the key above"));
        all.add(need("slack", Slack.webhook(host.environment()).isPresent(), Slack.VARIABLE + " is set; nothing was"
                + " posted", "set " + Slack.VARIABLE + ", or --post cannot tell anybody"));
        if (found.settings().target().prometheus() != null) {
            boolean counted = found.errors().check().state().equals("counted");
            all.add(need("metrics", counted, "the errors' query has data", "the errors' query has no data: nobody would"
                    + " see an error; give one that has with --errors-query"));
        }
        for (String step : List.of("rotate-key", "watch", "debug-bundle", "postmortem")) {
            all.add(step(step, launcher.command(step) + " --version", "fetched and built", host));
        }
        all.add(planned("stores", "rotate-key", ".to", host, launcher));
        all.add(planned("logs", "debug-bundle", ".log", host, launcher));
        return all;
    }

    private static Check need(String name, boolean fine, String good, String bad) {
        return new Check(name, fine ? Outcome.OK : Outcome.WARN, fine ? good : bad, 0, null, Json.object());
    }

    // A dry run looks at stores, restart targets and logs as the team has set them, and changes nothing.
    private static Check planned(String name, String step, String setting, Screen.Host host, Tool.Launcher launcher) {
        return launcher.set().apply(step + setting).isEmpty()
                ? Check.skipped(name, "not known: set " + step + setting + " in a team.properties")
                : step(name, launcher.command(step) + " --dry-run", "found as the team has set them", host);
    }

    private static Check step(String name, String command, String good, Screen.Host host) {
        try {
            Tool.Output output = Tool.step(host, command);
            // What a step marks as wrong, and what a bundle would lack.
            String wrong = Stream.of(output.out(), output.err()).flatMap(String::lines)
                    .filter(one -> one.matches("(✗|x|error:) .*|.* left out: .*")).limit(3)
                    .collect(Collectors.joining("; "));
            String said = wrong.isEmpty() ? "ended with " + output.exit() : wrong;
            return need(name, output.ok() && wrong.isEmpty(), good, Text.safe(said, 240) + " (" + command + ")");
        } catch (Tool.Failure e) {
            return e.missing() ? Check.skipped(name, e.getMessage())
                    : need(name, false, "", command + ": " + Text.safe(e.getMessage(), 160));
        }
    }
}
