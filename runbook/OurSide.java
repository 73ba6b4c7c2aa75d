package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import java.util.zip.*;
import runbook.Facts.Failure;
import runbook.Facts.Minute;
import runbook.Facts.Rate;
import runbook.Http.Answer;
import runbook.Http.Asking;
import runbook.Http.Fault;
import runbook.Http.Health;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.Message.Slack;
import runbook.Prometheus.AppErrors;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.redact.*;

/**
 * Our own side: the application's health, the route that Klaviyo delivers to, the errors that the application's log
 * tells of, and in peacetime whether all is there that an incident will need.
 */
public final class OurSide {
    /** What to do about a status that the application gets and that is no incident by itself. */
    static final SortedMap<String, String> ADVICE = new TreeMap<>(Map.of(
            "409", "409 duplicate_profile: it is there already, its id in meta.duplicate_profile_id: PATCH that one, "
                    + "it counts as done",
            "413", "413: one request is too large: split the batch, and look for a profile over the size limit in it",
            "202", "202 says accepted, not processed: of events of a profile with the same unique_id one is kept, "
                    + "and it defaults to the second: send a unique_id of your own"));
    /** A 5xx, or what clients count when no answer came. */
    static final String SERVER_ERROR = "(?i)5\\d\\d|5xx|0+|.*time.?out.*";
    /** A refusal without a branch of its own in the decision tree. */
    static final String OTHER_REFUSAL = "(?!400|401|403|409|410|429)4\\d\\d|4xx";

    private OurSide() { }

    // ---- our application's health, by its own endpoint: the state is whether it is healthy

    static Check health(Asking asking) {
        URI app = asking.settings().target().app();
        if (app == null) {
            return Check.skipped("app", "no health endpoint given: --app-url or KLAVIYO_APP_URL");
        }
        Answer answer = asking.get(app);
        if (!(answer instanceof Reply reply)) {
            return new Check("app", Outcome.FAIL, answer.words(), answer.millis(), null, Json.object(), "no");
        }
        // A login page, a wall or a wrong path answers for somebody else.
        boolean untold = Set.of(401, 403, 404, 405).contains(reply.status()) || reply.status() < 400 && reply.html();
        int health = untold ? 1 : Health.of(reply).ordinal();
        String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
        String form = untold ? ", which is no health endpoint's answer (is the address right?)" : "";
        String said = Health.garbled(reply) ? ", " + Redactor.strict().text(reply.notJson())
                : form + (body.isEmpty() ? "" : ": " + body);
        String shown = reply.json().path("keyFingerprint").asText();
        JsonNode detail = Json.of(Map.of("status", Redactor.strict().text(Text.safe(Health.field(reply), 40)), "body",
                body, "keyFingerprint", shown.matches("[0-9a-f]{8}") ? shown : ""));
        return new Check("app", List.of(Outcome.OK, Outcome.WARN, Outcome.FAIL).get(health),
                "HTTP " + reply.status() + " in " + reply.millis() + " ms" + said, reply.millis(), reply.status(),
                detail, untold ? "not told" : List.of("yes", "degraded", "no").get(health));
    }

    // ---- the route that Klaviyo delivers to: the state is whether webhooks arrive

    static Check webhook(Asking asking) {
        URI route = asking.settings().target().webhook();
        if (route == null) {
            return Check.skipped("webhook", "no route given: --webhook-url or KLAVIYO_WEBHOOK_URL");
        }
        // GET first, since it changes nothing anywhere. Only where GET has no route, or is sent elsewhere, is an empty
        // POST worth it.
        Answer answer = asking.http().once("GET", route, Map.of(), null, asking.left());
        if (answer instanceof Reply reply && (reply.status() == 404 || reply.redirects())) {
            Map<String, String> json = Map.of("Content-Type", "application/json");
            answer = asking.http().once("POST", route, json, new byte[0], asking.left());
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
        boolean soon = NetworkPath.endsSoon(reply.expires());
        Outcome well = page || soon ? Outcome.WARN : Outcome.OK;
        String arriving = soon ? "yes, but the certificate ends soon" : "yes";
        return new Check("webhook", live ? well : Outcome.FAIL,
                "HTTP " + reply.status() + (live ? there : dead) + NetworkPath.expiry(reply.expires()), reply.millis(),
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
        Set<Boolean> enabled = new TreeSet<>();
        for (JsonNode webhook : listing.get().json().path("data")) {
            if (webhook.at("/attributes/endpoint_url").asText().matches(host)) {
                enabled.add(webhook.at("/attributes/enabled").asBoolean());
            }
        }
        boolean disabled = enabled.equals(Set.of(false));
        String known = disabled ? "; disabled at Klaviyo" : "; enabled at Klaviyo";
        String summary = route.summary() + (enabled.isEmpty() ? "; Klaviyo lists no webhook of this host" : known);
        Outcome unsure = enabled.isEmpty() && route.outcome() == Outcome.OK ? Outcome.WARN : route.outcome();
        return new Check(route.name(), disabled ? Outcome.FAIL : unsure, summary, route.millis(), route.http(),
                route.detail(), disabled && route.state().startsWith("yes") ? "no: route" : route.state());
    }

    // ---- the errors that it gets

    /**
     * What the application's log says of its calls to Klaviyo ({@code --log}).
     *
     * @param byStatus     errors that still come, by status
     * @param nearlyAll    those of them that nearly all calls get by now, {@link #SERVER_ERROR} for any of these
     * @param words        the errors in words, of how many calls, in which time; empty without any
     * @param statuses     all calls in it by their status, 0 for those without an answer
     * @param failingSince when the failures began that the log ends with: in what is one trouble, no half hour passes
     *                     without one; empty where it has none, or ended long ago
     * @param loop         the caller that makes nearly all calls and more than the endpoint allows, in words
     */
    public record AppLog(Check check, Map<String, Long> byStatus, Set<String> nearlyAll, String words,
            Map<Integer, Long> statuses, Optional<Instant> failingSince, Optional<String> loop) {
        static final AppLog UNREAD = new AppLog(Check.skipped("app-log", "not read: --log FILE reads the application's"
                + " log"), Map.of(), Set.of(), "", Map.of(), Optional.empty(), Optional.empty());

        /** The log of that name, - for standard input: opened now, and read when it is asked for. */
        public static Supplier<AppLog> open(Screen.Host host, String name) {
            String told = "--log " + Text.safe(name, 80);
            if (Files.isDirectory(host.path(name))) {
                throw new Problem(told + " is a folder: name the file in it");
            }
            try {
                boolean pipe = name.equals("-");
                Instant written = pipe ? Instant.now() : Files.getLastModifiedTime(host.path(name)).toInstant();
                InputStream file = plain(pipe ? host.in() : Files.newInputStream(host.path(name)));
                return () -> read(file, written);
            } catch (IOException e) {
                throw new Problem(told + " cannot be read: " + Text.safe(Incident.why(e), 120));
            }
        }

        private static InputStream plain(InputStream file) throws IOException {
            BufferedInputStream log = new BufferedInputStream(file, 1 << 16);
            log.mark(2);
            boolean packed = log.read() == 0x1f && log.read() == 0x8b;
            log.reset();
            return packed ? new GZIPInputStream(log, 1 << 16) : log;
        }

        /** What these lines say. */
        public static AppLog of(String lines) {
            return read(new ByteArrayInputStream(lines.getBytes(StandardCharsets.UTF_8)), Instant.now());
        }

        // To its end. Servers mostly write UTC, and the log may come from a pipe: it is read in both zones at once.
        private static AppLog read(InputStream log, Instant written) {
            Instant now = Instant.now();
            LogReader local = new LogReader(ZoneId.systemDefault(), null, now, Redactor.strict()::text);
            LogReader utc = new LogReader(ZoneOffset.UTC, null, now, Redactor.strict()::text);
            boolean differ = !ZoneId.systemDefault().getRules().getOffset(now).equals(ZoneOffset.UTC);
            LogReader.read("log", log, differ ? List.of(local, utc) : List.of(local));
            LogJudge here = new LogJudge(local, now, "");
            LogJudge there = new LogJudge(utc, now, "its times name no zone and are read as UTC");
            boolean better = there.fits(written) || there.ahead().isEmpty() && here.ahead().isPresent();
            return (differ && better && !here.fits(written) ? there : here).judge();
        }

        /** Whether it was read, and tells nothing of now: no call to Klaviyo is in it, or none of lately. */
        public boolean mute() {
            return check.state().equals("old");
        }
    }

    /** Tells what of a log is of now, and whether it is enough to go by. */
    private static final class LogJudge {
        /** How far back from its end a log tells of now, and how many calls it takes for that at least. */
        private static final Duration LATELY = Duration.ofMinutes(15);
        private static final long ENOUGH = 20;
        /** A status that was not seen for this long while other calls went on is over, */
        private static final Duration OVER = Duration.ofMinutes(5);
        /** and so is one of which, by its share, so many would have come since. */
        private static final int MISSED = 5;
        private static final Duration ONE_EPISODE = Duration.ofMinutes(30);
        private static final double NEARLY_ALL = 0.75;
        private static final double MOST = 0.5;
        private static final String ZONE = "run this with TZ=UTC or TZ=ZONE before it";

        private final LogReader reader;
        private final Facts facts;
        private final String zone;
        private final Instant now;
        private final Instant end;
        private final boolean stale;
        private final List<Minute> recent = new ArrayList<>();
        private final long calls;

        LogJudge(LogReader reader, Instant now, String zone) {
            this.reader = reader;
            this.facts = reader.facts();
            this.now = now;
            this.zone = zone;
            end = times(facts.minutes()).reduce((first, last) -> last).orElse(null);
            stale = end != null && end.isBefore(now.minus(LATELY));
            // The minutes since then, and those before them until there are enough calls to weigh a failure among.
            long seen = 0;
            for (int i = facts.minutes().size() - 1; i >= 0; i--) {
                Minute minute = facts.minutes().get(i);
                if (minute.at() == null || !minute.at().isBefore(end.minus(LATELY)) || seen < ENOUGH) {
                    recent.add(minute);
                    seen += minute.calls();
                }
            }
            calls = seen;
        }

        /** Whether this is its zone: it ends about when it was written, and not in the future. */
        boolean fits(Instant written) {
            return ahead().isEmpty() && end != null && Duration.between(end, written).compareTo(OVER) < 0;
        }

        // Clocks differ by minutes.
        private Optional<String> ahead() {
            return Optional.ofNullable(reader.outsideUpTo()).filter(until -> until.isAfter(now.plus(OVER)))
                    .map(until -> "calls lie up to " + Durations.words(Duration.between(now, until))
                            + " ahead: its times are of another zone than this machine's, " + ZONE);
        }

        AppLog judge() {
            Map<String, Long> byStatus = stale ? Map.of() : still();
            Set<String> nearlyAll = Stream.concat(byStatus.keySet().stream(), Stream.of(SERVER_ERROR))
                    .filter(status -> newest(status) >= NEARLY_ALL).collect(Collectors.toSet());
            Optional<String> loop = endpoints().findFirst().filter(rate -> !stale
                    && rate.share() >= NEARLY_ALL && rate.perMinute() > limit(rate)
                    && !rate.busyAt().isBefore(end.minus(LATELY))).map(rate -> words(rate) + caller(", by "));
            Optional<Instant> since = byStatus.keySet().stream().max(Comparator.comparing(byStatus::get))
                    .flatMap(loudest -> since(Integer.parseInt(loudest)));
            String when = allSince(nearlyAll).or(() -> since.map(at -> ", since " + clock(at))).orElse("");
            String words = byStatus.isEmpty() ? ""
                    : AppErrors.words(byStatus) + " of " + count(calls, "call") + window()
                    + (byStatus.containsKey("429") ? caller(", {} % of all calls by ") : "") + when;
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("byStatus", byStatus);
            detail.put("statuses", facts.statuses());
            detail.put("failingSince", since.orElse(null));
            detail.put("endpoints", facts.endpoints().stream().limit(10).map(rate -> Map.of("endpoint",
                    rate.endpoint(), "calls", rate.calls(), "failed", rate.failed(), "perMinute", rate.perMinute()))
                    .toList());
            detail.put("loop", loop.orElse(null));
            boolean passed = byStatus.isEmpty() && facts.last() != null || facts.minutes().isEmpty();
            Outcome fine = passed || stale ? Outcome.WARN : Outcome.OK;
            Check check = new Check("app-log", AppErrors.harmless(byStatus) && loop.isEmpty() ? fine : Outcome.FAIL,
                    summary(words, loop), Duration.between(now, Instant.now()).toMillis(), null,
                    Json.of(detail), stale || calls == 0 ? "old" : "recent");
            return new AppLog(check, byStatus, nearlyAll, words, facts.statuses(), since, loop);
        }

        // Since when no minute passed in which not nearly all calls got such a status.
        private Optional<String> allSince(Set<String> statuses) {
            String any = String.join("|", statuses);
            String since = null;
            boolean each = true;
            Map<Instant, List<Minute>> newestFirst = facts.minutes().stream().filter(one -> one.at() != null)
                    .collect(Collectors.groupingBy(Minute::at, () -> new TreeMap<>(Comparator.reverseOrder()),
                            Collectors.toList()));
            for (List<Minute> minute : newestFirst.values()) {
                long all = minute.stream().mapToLong(Minute::calls).sum();
                long these = minute.stream().mapToLong(part -> these(part, any)).sum();
                if (statuses.isEmpty() || these < NEARLY_ALL * all) {
                    break;
                }
                each &= these == all;
                since = clock(minute.get(0).at());
            }
            return Optional.ofNullable(since).map(each ? ", all since "::concat : ", nearly all since "::concat);
        }

        private static long these(Minute minute, String statuses) {
            return minute.statuses().entrySet().stream().filter(one -> one.getKey().toString().matches(statuses))
                    .mapToLong(Map.Entry::getValue).sum();
        }

        // The share of some statuses in the newest minutes, of enough calls: what has just begun on all of them is a
        // small share of a quarter of an hour.
        private double newest(String statuses) {
            long all = 0;
            long these = 0;
            Instant at = null;
            for (Minute minute : recent) {
                if (all >= ENOUGH && !Objects.equals(at, minute.at())) {
                    break;
                }
                at = minute.at();
                all += minute.calls();
                these += these(minute, statuses);
            }
            return these / (double) Math.max(1, all);
        }

        // The errors that still come, by status. A single one, or one in some hundreds, is what retries are for.
        private Map<String, Long> still() {
            SortedMap<Integer, Long> counts = new TreeMap<>();
            recent.forEach(minute -> minute.statuses().forEach((status, count) ->
                    counts.merge(status, count, Long::sum)));
            Map<String, Long> still = new TreeMap<>();
            counts.forEach((status, count) -> {
                boolean few = count * 100 < calls || count < 3 && count * 5 < calls;
                if (Facts.failed(status) && !few && !over(status, count)) {
                    still.put(status.toString(), count);
                }
            });
            return still;
        }

        private boolean over(Integer status, long count) {
            Instant last = times(recent.stream().filter(minute -> minute.statuses().containsKey(status)).toList())
                    .max(Comparator.naturalOrder()).orElse(end);
            long since = recent.stream().filter(minute -> minute.at() != null && minute.at().isAfter(last))
                    .mapToLong(Minute::calls).sum();
            return since > 0 && (last.isBefore(now.minus(OVER)) || since * count >= MISSED * (calls - since));
        }

        // In what is one trouble no half hour passes without it, and a stray one begins none.
        private Optional<Instant> since(Integer status) {
            Instant began = null;
            for (int i = facts.minutes().size() - 1; i >= 0 && facts.minutes().get(i).at() != null; i--) {
                Minute minute = facts.minutes().get(i);
                long count = minute.statuses().getOrDefault(status, 0L);
                boolean near = began == null || !minute.at().isBefore(began.minus(ONE_EPISODE));
                began = near && (count >= 3 || count * 5 >= minute.calls()) ? minute.at() : began;
            }
            Failure first = facts.first();
            boolean exact = began != null && first.status() == status && first.at() != null
                    && first.at().truncatedTo(ChronoUnit.MINUTES).equals(began);
            return Optional.ofNullable(exact ? first.at() : began);
        }

        // In order of time, without those of lines that name none.
        private static Stream<Instant> times(List<Minute> minutes) {
            return minutes.stream().map(Minute::at).filter(Objects::nonNull);
        }

        // By the busiest sixty seconds, wherever the clock's minutes begin.
        private Stream<Rate> endpoints() {
            return facts.endpoints().stream().map(rate -> new Rate(rate.endpoint(), rate.calls(), rate.failed(),
                    rate.share(), Math.max(rate.perMinute(), reader.busiest(rate.endpoint())), rate.busyAt(),
                    rate.since()));
        }

        // Reading and writing of one resource have the same limit where we know one.
        private static long limit(Rate rate) {
            return Endpoint.KNOWN.stream().filter(endpoint -> rate.endpoint().endsWith(" " + endpoint.path()))
                    .mapToLong(Endpoint::steady).findFirst().orElse(Long.MAX_VALUE);
        }

        // ---- in words

        private String summary(String words, Optional<String> loop) {
            // What all the rest stands on comes first: a log of an hour ago may be one of now in another zone.
            List<String> said = new ArrayList<>(zone.isEmpty() ? List.of() : List.of(zone));
            long failed = facts.minutes().stream().mapToLong(Minute::failed).sum();
            String lines = count(facts.lines(), "line");
            if (!words.isEmpty()) {
                said.add("the application gets " + words);
            }
            if (!facts.minutes().isEmpty()) {
                String when = failed > 0 && facts.last().at() != null ? ", the first on " + facts.first().endpoint()
                        + ", the last " + ago(facts.last().at()) : "";
                said.add(lines + ", " + (failed == 0 ? "no failed call" : count(failed, "failed call")) + when);
            } else if (ahead().isEmpty()) {
                said.add("no call to Klaviyo in its " + lines + ": is it the application's log?");
            }
            if (stale) {
                boolean sure = facts.zoneNamed() || !zone.isEmpty();
                said.add("it ends " + ago(end) + ", and tells nothing of now"
                        + (sure ? "" : "; where its times are of another zone, " + ZONE));
            } else if (words.isEmpty() && failed > 0) {
                said.add("too few, or over by now");
            }
            ahead().ifPresent(said::add);
            loop.or(() -> endpoints().filter(rate -> rate.perMinute() > limit(rate) / 2).findFirst()
                    .map(LogJudge::words)).ifPresent(said::add);
            facts.notRead().stream().limit(2).forEach(said::add);
            return String.join("; ", said);
        }

        private String window() {
            Optional<Instant> begin = times(recent).min(Comparator.naturalOrder());
            Duration span = begin.map(at -> Duration.between(at, end)).filter(most -> most.compareTo(LATELY) > 0)
                    .orElse(LATELY);
            return begin.isEmpty() ? "" : " in the log's last " + Durations.words(span);
        }

        // Where calls are throttled, who makes most of them is who can end that.
        private String caller(String by) {
            return facts.callers().stream().findFirst().filter(caller -> caller.share() >= MOST)
                    .map(caller -> by.replace("{}", "" + Math.round(caller.share() * 100))
                            + Text.safe(caller.name(), 60)).orElse("");
        }

        private static String words(Rate rate) {
            boolean above = rate.perMinute() > limit(rate);
            return String.format(Locale.ROOT, "%s %,d a minute", rate.endpoint(), rate.perMinute())
                    + (above ? String.format(Locale.ROOT, " (limit %,d)", limit(rate)) : "") + ", "
                    + Math.round(rate.share() * 100) + " % of calls"
                    + (rate.since() == null ? "" : ", since " + clock(rate.since()));
        }

        private static String count(long number, String noun) {
            return String.format(Locale.ROOT, "%,d %s%s", number, noun, number == 1 ? "" : "s");
        }

        private String ago(Instant at) {
            Duration since = Duration.between(at, now).truncatedTo(ChronoUnit.MINUTES);
            return since.compareTo(Duration.ofMinutes(1)) < 0 ? "just now" : Durations.words(since) + " ago";
        }

        // The day only where it is another than today.
        private static String clock(Instant at) {
            String minute = Text.minute(at);
            return minute.substring(Instant.now().toString().startsWith(minute.substring(0, 10)) ? 11 : 0);
        }
    }

    // ---- in peacetime: whether all is there that an incident will need

    /** The checks, and what the other steps stand on: each as the team has set it. */
    public static List<Check> preflight(Checks.Findings found, Screen.Host host, Screen.Launcher launcher) {
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
    private static Check planned(String name, String step, String setting, Screen.Host host, Screen.Launcher launcher) {
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
