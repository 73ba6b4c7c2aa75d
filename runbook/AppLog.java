package runbook;

import java.io.*;
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
import runbook.Klaviyo.Endpoint;
import runbook.Prometheus.AppErrors;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.redact.*;

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
 * @param end          the minute of its last call that names a time
 */
public record AppLog(Check check, Map<String, Long> byStatus, Set<String> nearlyAll, String words,
        Map<Integer, Long> statuses, Optional<Instant> failingSince, Optional<String> loop, Optional<Instant> end) {
    /** A 5xx, or what clients count when no answer came. */
    static final String SERVER_ERROR = "(?i)5\\d\\d|5xx|0+|.*time.?out.*";
    /** How far back from its end a log tells of now. */
    static final Duration LATELY = Duration.ofMinutes(15);
    static final AppLog UNREAD = new AppLog(Check.skipped("app-log", "not read: --log FILE reads the application's"
            + " log"), Map.of(), Set.of(), "", Map.of(), Optional.empty(), Optional.empty(), Optional.empty());

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
        read(log, differ ? List.of(local, utc) : List.of(local));
        Judge here = new Judge(local, now, "");
        Judge there = new Judge(utc, now, "its times name no zone and are read as UTC");
        boolean better = there.fits(written) || there.ahead().isEmpty() && here.ahead().isPresent();
        return (differ && better && !here.fits(written) ? there : here).judge();
    }

    private static void read(InputStream log, List<LogReader> readers) {
        List<LogReader.Source> sources = readers.stream().map(LogReader::source).toList();
        byte[] buffer = new byte[1 << 16];
        try {
            for (int read = log.read(buffer); read >= 0; read = log.read(buffer)) {
                int count = read;
                sources.forEach(source -> source.take(buffer, count));
            }
        } catch (IOException e) {
            readers.forEach(reader -> reader.breaksOff(e));
        }
        sources.forEach(LogReader.Source::end);
    }

    /** The same, where something was mended at a time: a log that ends before that tells nothing of now. */
    AppLog since(Instant mended) {
        if (end.filter(mended.truncatedTo(ChronoUnit.MINUTES)::isAfter).isEmpty()) {
            return this;
        }
        Check old = new Check(check.name(), Outcome.WARN, "it ends before something was mended at "
                + Text.minute(mended) + ", and tells nothing of now", check.millis(), null, Json.object(), "old");
        return new AppLog(old, Map.of(), Set.of(), "", statuses, failingSince, Optional.empty(), end);
    }

    /** The scopes of what the application fails to write, where it gets 403s: {@code events:write}. */
    Stream<String> unwritten() {
        return check.detail().path("endpoints").valueStream()
                .filter(call -> byStatus.containsKey("403") && call.path("failed").asLong() > 0)
                .map(call -> call.path("endpoint").asText().replaceFirst("^(POST|PUT|PATCH|DELETE) /api/", ""))
                .filter(name -> Endpoint.named(name).isPresent()).map(name -> name + ":write").distinct();
    }

    /** Whether it was read, and tells nothing of now: no call to Klaviyo is in it, or none of lately. */
    public boolean mute() {
        return check.state().equals("old");
    }

    /** Tells what of a log is of now, and whether it is enough to go by. */
    private static final class Judge {
        /** How many calls it takes at least to tell of now. */
        private static final long ENOUGH = 20;
        /** A status that was not seen for this long while other calls went on is over, */
        private static final Duration OVER = Duration.ofMinutes(5);
        /** and so is one of which, by its share, so many would have come since. */
        private static final int MISSED = 5;
        private static final double NEARLY_ALL = 0.75;
        private static final double MOST = 0.5;
        private static final String ZONE = "run this with TZ=UTC or TZ=ZONE before it";

        private final LogReader reader;
        private final Facts facts;
        private final String zone;
        private final Instant now;
        /** All endpoints together, the newest first; calls that name no time are not among them. */
        private final List<Minute> minutes = new ArrayList<>();
        /** Those that tell of now, and calls that name no time. */
        private final List<Minute> recent = new ArrayList<>();
        private final Instant end;
        private final boolean stale;

        Judge(LogReader reader, Instant now, String zone) {
            this.reader = reader;
            this.facts = reader.facts();
            this.now = now;
            this.zone = zone;
            Map<Instant, SortedMap<Integer, Long>> all =
                    new TreeMap<>(Comparator.nullsLast(Comparator.reverseOrder()));
            facts.minutes().forEach(some -> some.statuses().forEach((status, calls) ->
                    all.computeIfAbsent(some.at(), at -> new TreeMap<>()).merge(status, calls, Long::sum)));
            SortedMap<Integer, Long> untimed = all.remove(null);
            all.forEach((at, statuses) -> minutes.add(new Minute(at, "", statuses)));
            end = minutes.isEmpty() ? null : minutes.get(0).at();
            stale = end != null && end.isBefore(now.minus(LATELY));
            // The last minutes, and those before them until there are enough calls to weigh a failure among.
            minutes.stream().filter(one -> !one.at().isBefore(end.minus(LATELY)) || calls(recent) < ENOUGH)
                    .forEach(recent::add);
            Optional.ofNullable(untimed).ifPresent(statuses -> recent.add(new Minute(null, "", statuses)));
        }

        private static long calls(List<Minute> some) {
            return some.stream().mapToLong(Minute::calls).sum();
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
            Optional<Instant> since = byStatus.keySet().stream().max(Comparator.comparing(byStatus::get))
                    .flatMap(loudest -> since(Integer.parseInt(loudest)));
            Optional<String> loop = busy().filter(rate -> rate.perMinute() > limit(rate) && share(rate) >= NEARLY_ALL)
                    .findFirst().map(rate -> words(rate) + caller(", by "));
            String words = byStatus.isEmpty() ? "" : words(byStatus)
                    + allSince(nearlyAll).or(() -> since.map(at -> ", since " + clock(at))).orElse("");
            Map<String, Object> detail = Json.map("byStatus", byStatus, "statuses", facts.statuses(),
                    "failingSince", since.orElse(null), "endpoints", facts.endpoints().stream().limit(10)
                            .map(rate -> Map.of("endpoint", rate.endpoint(), "calls", rate.calls(),
                                    "failed", rate.failed(), "perMinute", rate.perMinute())).toList(),
                    "loop", loop.orElse(null));
            boolean passed = byStatus.isEmpty() && facts.last() != null;
            Outcome fine = passed || stale || recent.isEmpty() ? Outcome.WARN : Outcome.OK;
            Check check = new Check("app-log", AppErrors.harmless(byStatus) && loop.isEmpty() ? fine : Outcome.FAIL,
                    summary(words, loop), Duration.between(now, Instant.now()).toMillis(), null,
                    Json.of(detail), stale || recent.isEmpty() ? "old" : "recent");
            return new AppLog(check, byStatus, nearlyAll, words, facts.statuses(), since, loop,
                    Optional.ofNullable(end));
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
            for (int i = 0; i < recent.size() && all < ENOUGH; i++) {
                all += recent.get(i).calls();
                these += these(recent.get(i), statuses);
            }
            return these / (double) Math.max(1, all);
        }

        // The errors that still come, by status. A single one, or one in some hundreds, is what retries are for.
        private Map<String, Long> still() {
            Map<Integer, Long> counts = new TreeMap<>();
            recent.forEach(minute -> minute.statuses().forEach((status, calls) ->
                    counts.merge(status, calls, Long::sum)));
            Map<String, Long> still = new TreeMap<>();
            counts.forEach((status, count) -> {
                boolean few = count * 100 < calls(recent) || count < 3 && count * 5 < calls(recent);
                if (Facts.failed(status) && !few && !over(status, count)) {
                    still.put(status.toString(), count);
                }
            });
            return still;
        }

        private boolean over(Integer status, long count) {
            List<Minute> later = recent.stream().takeWhile(one -> !one.statuses().containsKey(status)).toList();
            Instant last = later.size() < recent.size() ? recent.get(later.size()).at() : end;
            long since = calls(later);
            return since > 0 && last != null
                    && (last.isBefore(now.minus(OVER)) || since * count >= MISSED * (calls(recent) - since));
        }

        // A stray one begins nothing. To the second where that is known.
        private Optional<Instant> since(int status) {
            Failure first = facts.first();
            return Facts.began(minutes.stream().filter(minute -> {
                long count = minute.statuses().getOrDefault(status, 0L);
                return count >= 3 || count > 0 && count * 5 >= minute.calls();
            }).map(Minute::at)).map(minute -> first.status() == status && first.at() != null
                    && first.at().truncatedTo(ChronoUnit.MINUTES).equals(minute) ? first.at() : minute);
        }

        // What comes near its limit by now.
        private Stream<Rate> busy() {
            return facts.endpoints().stream().filter(rate -> !stale && rate.perMinute() > limit(rate) / 2
                    && !rate.busyAt().isBefore(end.minus(LATELY)));
        }

        // Reading and writing of one resource have about the same limit where we know one; what else is done with it
        // (/api/profile-import, /api/profiles/{id}), none above that.
        private static long limit(Rate rate) {
            return Endpoint.KNOWN.stream()
                    .filter(endpoint -> rate.endpoint().contains(" " + endpoint.path().replaceFirst("s$", "")))
                    .mapToLong(Endpoint::steady).findFirst().orElse(Long.MAX_VALUE);
        }

        // What is of now decides: a loop of a quarter of an hour is a small share of a whole day's log.
        private double share(Rate rate) {
            return facts.minutes().stream().filter(minute -> minute.endpoint().equals(rate.endpoint())
                    && (minute.at() == null || !minute.at().isBefore(end.minus(LATELY))))
                    .mapToLong(Minute::calls).sum() / (double) Math.max(1, calls(recent));
        }

        // ---- in words

        // Where calls are throttled, who makes most of them is who can end that.
        private String words(Map<String, Long> byStatus) {
            String window = recent.stream().map(Minute::at).filter(Objects::nonNull).reduce((newer, older) -> older)
                    .map(begin -> " in the log's last " + Durations.words(begin.isBefore(end.minus(LATELY))
                    ? Duration.between(begin, end) : LATELY)).orElse("");
            String caller = byStatus.containsKey("429") ? caller(", most of them by ") : "";
            return AppErrors.words(byStatus) + " of " + Text.count(calls(recent), "call") + window + caller;
        }

        private String summary(String words, Optional<String> loop) {
            // What all the rest stands on comes first: a log of an hour ago may be one of now in another zone.
            List<String> said = new ArrayList<>(zone.isEmpty() ? List.of() : List.of(zone));
            long failed = facts.minutes().stream().mapToLong(Minute::failed).sum();
            String lines = Text.count(facts.lines(), "line");
            if (!words.isEmpty()) {
                said.add("the application gets " + words);
            }
            if (!recent.isEmpty()) {
                String when = failed > 0 && facts.last().at() != null ? ", the first on " + facts.first().endpoint()
                        + ", the last " + ago(facts.last().at()) : "";
                said.add(lines + ", " + (failed == 0 ? "no failed call" : Text.count(failed, "failed call")) + when);
            } else if (ahead().isEmpty()) {
                said.add("no call to Klaviyo in its " + lines + ": is it the application's log?");
            }
            if (stale) {
                boolean sure = facts.zoneNamed() || !zone.isEmpty();
                said.add("it ends " + ago(end) + ", and tells nothing of now"
                        + (sure ? "" : "; where its times are of another zone, " + ZONE));
            } else if (words.isEmpty() && failed > 0) {
                long still = recent.stream().mapToLong(Minute::failed).sum();
                said.add(still > 0 && still * 100 < calls(recent) ? "too few to count" : "over by now");
            }
            ahead().ifPresent(said::add);
            loop.or(() -> busy().findFirst().map(this::words)).ifPresent(said::add);
            facts.notRead().stream().limit(2).forEach(said::add);
            return String.join("; ", said);
        }

        // Since when no minute passed in which not nearly all calls got such a status.
        private Optional<String> allSince(Set<String> statuses) {
            String any = String.join("|", statuses);
            List<Minute> these = statuses.isEmpty() ? List.of() : minutes.stream()
                    .takeWhile(minute -> these(minute, any) >= NEARLY_ALL * minute.calls()).toList();
            boolean each = these.stream().allMatch(minute -> these(minute, any) == minute.calls());
            return these.stream().reduce((newer, older) -> older)
                    .map(first -> (each ? ", all since " : ", nearly all since ") + clock(first.at()));
        }

        private String caller(String by) {
            return reader.loudest().filter(caller -> caller.share() >= MOST)
                    .map(caller -> by + Text.safe(caller.name(), 60)).orElse("");
        }

        private String words(Rate rate) {
            boolean above = rate.perMinute() > limit(rate);
            String atMost = rate.endpoint().matches(".*/api/\\w+") ? "" : "at most ";
            return rate.endpoint() + " " + Text.number(rate.perMinute()) + " a minute"
                    + (above ? " (limit " + atMost + Text.number(limit(rate)) + ")" : "") + ", "
                    + Math.round(share(rate) * 100) + " % of calls, since " + clock(rate.since());
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

    /** What makes a number an HTTP status: which number it is, and what stands before and behind it. */
    record Sign(Pattern number, Pattern before, Pattern behind) {
        private static final int MOST_NUMBERS = 200;
        private static final int LONGEST_COUNTED = 12;
        private static final int LONGEST_BEFORE = 140;
        /** A number by itself: neither a price, a share, a duration nor a size. */
        private static final Pattern NUMBER = Pattern.compile("(?i)(?<![^ \\t\"'`(\\[=:>,\\\\|\\x92])[1-5]\\d\\d"
                + "(?![\\w%$@\\xa4\\xe2]|[.,:/-]\\d|\\s?(?:m?s|msec|secs?|seconds?|mins?|minutes?|hours?|days?|"
                + "us|ns|[kmg]i?b|bytes?|eur|usd|gbp|dollars?|euros?)(?![\\w=:]))");
        /** What is counted or numbered: the number after it is no status. */
        private static final Pattern COUNTED = Pattern.compile("(?i)(?:#|\\b(?:port|order|id|user|customer|product|"
                + "item|profile|sku|line|page|row|step|batch|job|took|after|every|timeout|size|length|count|total|"
                + "price|amount|duration|elapsed|limit|depth|no)[ \"'`(\\[=:>,-]{1,3})$");
        /** Those that Klaviyo and what stands before it answer with: others need their name. */
        private static final String KNOWN = "(?:20[0124]|30[123478]|40[01345689]|41[0345]|42[29]|431|499|50[0-4]|"
                + "52[0-7]|530)";
        // What may stand between a word and the status that it announces; a right arrow is three of these characters.
        private static final String LINK = "[ \\t\"'`\\\\(\\[=:>,\\x2d\\xe2\\x86\\x92]";
        private static final String LINKED = "(?: (?:with|by|an?|is|was|of|as))?" + LINK + "{1,9}+$";
        private static final String THEN = "[\"'`)\\]:,;-]*\\s*";
        private static final List<Sign> ALL = List.of(
                // status=401, "statusCode":401, HTTP Error 401
                of("\\d+", "(?:(?<![\\w-])(?:http|sc)|http[_-]?(?:code|error)|status(?:[_-]?code)?|"
                        + "(?:status|http)[ \"'`:=]+(?:code|error)|HTTP/[\\d.]+)" + LINKED, ""),
                // {"code":401}, but no exit code
                of(KNOWN, "(?<!(?:exit|zip|post|postal|country|area|promo|coupon|product|sort)[ \"'`:=])\\bcode"
                        + LINK + "{1,9}+$", ""),
                // klaviyo responded 401; POST /api/events -> 401 took 35 ms. "returned 200 rows" tells of rows
                of(KNOWN, "(?:\\b(?:respond(?:s|ed)|response|return(?:s|ed|ing)|answer(?:ed)?|reply|replied|gets?|got|"
                        + "received?|failed|failure|rejected|refused|throttled|result|reason|unauthorized|forbidden|"
                        + "conflict|gone|not found|(?:too )?many requests|bad request|bad gateway|service unavailable|"
                        + "gateway time-?out)|exception|error)" + LINKED + "|[>\\x92]" + LINK + "{0,9}+$|"
                        + LogReader.ROUTE + "[\\w/%~.?&=-]{0,100}+" + LINK + "{1,9}+$",
                        "[\"'`)\\]]*(?:$|[.,;:!?|{(\\[-]|\\s+(?:$|[-({\\[,;:|]|(?:from|for|on|after|in|at|to|with|"
                        + "when|while|took|elapsed|calling|response|error|status|http|and|because|body|by)\\b|retry|"
                        + "\\d+(?:\\.\\d+)? ?m?s\\b|\\w+[=:]))"),
                // 202 Accepted
                of("20[0124]", "", "[^\\w]+(?:ok|created|accepted|no content)\\b"),
                // 429 from a.klaviyo.com; (401) Reason: Unauthorized; 401 GET /api/lists
                of(KNOWN, "", THEN + "(?:from (?:https?://)?[\\w.-]*klaviyo|\\(?reason\\b|\\{\"errors|(?:"
                        + LogReader.METHODS + " )?(?:https?://[\\w.:-]+)?" + LogReader.ROUTE + ")"),
                // 401 Client Error, 503 Service Unavailable
                of("(?=[45])" + KNOWN, "", THEN + "(?:client error|bad request|invalid|unauthori[sz]ed|"
                        + "authentication_failed|not_authenticated|forbidden|permission_denied|not.found|method not|"
                        + "conflict|duplicate_profile|gone|payload|request entity|content too|unprocessable|too many|"
                        + "throttled|server error|\\w*\\s?unavailable|internal|bad gateway|gateway time|origin|"
                        + "a timeout|web server)"));

        private static Sign of(String number, String before, String behind) {
            return new Sign(Pattern.compile(number), Pattern.compile("(?i)" + before),
                    Pattern.compile("(?i)" + behind));
        }

        /** Where the line has its status: at the first number with such a sign; -1 without one. */
        static int status(String line) {
            return NUMBER.matcher(line).results().limit(MOST_NUMBERS).mapToInt(MatchResult::start)
                    .filter(at -> !stands(COUNTED, LONGEST_COUNTED, line, at))
                    .filter(at -> ALL.stream().anyMatch(sign -> sign.fits(line, at))).findFirst().orElse(-1);
        }

        private boolean fits(String line, int at) {
            int end = at + 3;
            return number.matcher(line).region(at, end).matches() && stands(before, LONGEST_BEFORE, line, at)
                    && behind.matcher(line).region(end, line.length()).lookingAt();
        }

        private static boolean stands(Pattern before, int longest, String line, int at) {
            return before.matcher(line).region(Math.max(0, at - longest), at).find();
        }
    }
}
