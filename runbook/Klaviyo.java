package runbook;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Settings.Problem;

/**
 * Klaviyo's API as it is published: its endpoints with what each needs and may cost, the life of its revisions, the
 * form of its errors. Checked against its OpenAPI specifications.
 */
public final class Klaviyo {
    /** JSON:API, in which it is spoken to and answers. */
    static final String JSON = "application/vnd.api+json";

    private Klaviyo() { }

    /** The checks by what they find, each as a curl command to paste: without a key in it, login or token. */
    public static Map<String, String> curl(Settings settings) {
        Settings.Target at = settings.target();
        long seconds = Math.max(1, settings.probing().timeout().toSeconds());
        String plain = "curl -gsSi --connect-timeout 5 --max-time " + seconds + " ";
        // -H @- reads the header from standard input, and printf is the shell's own: the key never stands in an argv,
        // where ps would show it.
        String key = settings.key().map(Key::token).orElse(false) ? "Bearer %s\\n' \"$KLAVIYO_ACCESS_TOKEN\""
                : "Klaviyo-API-Key %s\\n' \"$KLAVIYO_PRIVATE_KEY\"";
        String api = "printf 'Authorization: " + key + " | " + plain + "-H @- -H "
                + Text.word("revision: " + settings.revision()) + " -H 'Accept: " + JSON + "' ";
        Map<String, String> commands = new LinkedHashMap<>();
        commands.put("status-page", plain + quoted(at.status(), "/api/v2/summary.json"));
        commands.put("network", plain + "-o /dev/null -w 'DNS %{time_namelookup} s, connect %{time_connect} s, TLS "
                + "%{time_appconnect} s\\n' " + quoted(at.api(), ""));
        commands.put("auth", api + quoted(at.api(), Endpoint.ACCOUNTS.target()));
        settings.probing().endpoints().forEach(endpoint -> commands.put("endpoint:" + endpoint.name()
                + ", and rate-limit from its headers", api + quoted(at.api(), endpoint.target())));
        commands.put("app", plain + quoted(at.app(), ""));
        String errors = Text.word("query=" + settings.probing().errors());
        commands.put("app-errors", plain + "--data-urlencode " + errors + " -G "
                + quoted(at.prometheus(), "/api/v1/query"));
        commands.put("webhook", plain + quoted(at.webhook(), ""));
        commands.values().removeIf(command -> command.endsWith(" "));
        return commands;
    }

    private static String quoted(URI base, String target) {
        return base == null ? "" : "'" + Settings.open(base + target).replace("'", "'\\''") + "'";
    }

    /**
     * An endpoint that can be probed with one GET: its name for people and options, its path, the query, already
     * encoded or empty, the scope that a private key needs, and the requests allowed per second and minute. The query
     * asks for the smallest page and the fewest fields that the endpoint's specification offers (metrics, webhooks and
     * accounts have no {@code page[size]}), so that a probe brings no personal data.
     */
    public record Endpoint(String name, String path, String query, String scope, int burst, int steady) {
        /** {@code GET /api/accounts}: tells whose key it is. */
        public static final Endpoint ACCOUNTS = of("accounts",
                "fields%5Baccount%5D=contact_information.organization_name,test_account,timezone", 1, 15);

        /** {@code GET /api/webhooks}. */
        public static final Endpoint WEBHOOKS = of("webhooks", "", 1, 15);

        /** What can be probed by name. Limits as in the OpenAPI specification of 2026-07-15 (x-klaviyo-ratelimit). */
        public static final List<Endpoint> KNOWN = List.of(
                of("profiles", "page%5Bsize%5D=1&fields%5Bprofile%5D=created", 75, 750),
                of("lists", "page%5Bsize%5D=1&fields%5Blist%5D=created", 75, 750),
                of("metrics", "fields%5Bmetric%5D=created", 10, 150),
                of("events", "page%5Bsize%5D=1&fields%5Bevent%5D=datetime", 350, 3500), WEBHOOKS);

        private static Endpoint of(String name, String query, int burst, int steady) {
            return new Endpoint(name, "/api/" + name, query, name + ":read", burst, steady);
        }

        /** The known endpoint of that name, accounts among them. */
        public static Optional<Endpoint> named(String name) {
            return Stream.concat(Stream.of(ACCOUNTS), KNOWN.stream()).filter(one -> one.name.equals(name)).findFirst();
        }

        /** The endpoint that somebody wrote: a known name, or a path; a {@link Problem} says what there is. */
        public static Endpoint given(String name) {
            if (name.matches("/api/[A-Za-z0-9/_-]+")) {
                // Its limits are not known here: as few requests as for the smallest tier.
                return new Endpoint(name.substring("/api/".length()), name, "", "", 1, 15);
            }
            return named(name).orElseThrow(() -> new Problem("--endpoint " + Text.safe(name, 40)
                    + " is neither a known endpoint nor a path such as /api/segments"
                    + Text.hint(name, KNOWN.stream().map(Endpoint::name).toList())));
        }

        /** Whether it is that one. A record's own equals takes 20 ms when it is first called. */
        boolean is(Endpoint other) {
            return path.equals(other.path);
        }

        /** Path and query, to be appended to the API's base address. */
        public String target() {
            return query.isEmpty() ? path : path + "?" + query;
        }
    }

    /**
     * One of many accounts by its name, and where its private key is: a variable, a file, or a command; null for the
     * others.
     */
    public record Account(String name, String env, String file, String command) {
        /** Those in a CSV with a header line, or in a JSON array of objects; a key itself has no place in it. */
        public static List<Account> all(Path list) {
            List<Account> all;
            try {
                String text = Files.readString(list).replaceFirst("^\ufeff", "").strip();
                ObjectReader json = new ObjectMapper().reader();
                ObjectReader csv = CsvMapper.builder().enable(CsvParser.Feature.EMPTY_STRING_AS_NULL,
                        CsvParser.Feature.TRIM_SPACES).build()
                        .reader(CsvSchema.emptySchema().withHeader().withComments());
                all = (text.startsWith("[") ? json : csv).forType(Account.class)
                        .without(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).<Account>readValues(text).readAll();
            } catch (IOException e) {
                throw new Problem("--accounts " + Text.safe(list.toString(), 100) + " cannot be read as CSV or JSON: "
                        + Text.safe(Incident.why(e), 120));
            }
            Set<String> names = new HashSet<>();
            for (Account one : all) {
                long places = Stream.of(one.env, one.file, one.command).filter(Objects::nonNull).count();
                if (one.name == null || places != 1 || !names.add(one.name)) {
                    throw new Problem("--accounts: entry " + (names.size() + 1)
                            + " needs a name that no other has, and one of env, file and command");
                }
            }
            if (all.isEmpty()) {
                throw new Problem("--accounts: no account in it");
            }
            return all;
        }

        /** Its key; a {@link Problem} where there is none. */
        Optional<Key> key(Screen.Host host) {
            return env == null ? Key.read(host, "--accounts, " + name + ", key", file, command)
                    : Optional.of(host.env(env).map(Key::of).orElseThrow(() -> new Problem(env + " is not set")));
        }
    }

    /**
     * An API revision, {@code 2026-07-15} or with the {@code .pre} of beta endpoints, and its life. Klaviyo's policy:
     * stable for a year, deprecated for another, retired two years after release (developers.klaviyo.com, API
     * versioning and deprecation policy).
     */
    public record Revision(String text, LocalDate date) {
        /** The newest stable revision known to this toolkit. */
        public static final Revision NEWEST = new Revision("2026-10-15", LocalDate.of(2026, 10, 15));

        /** Where a revision is in its life. */
        public enum Phase implements Text.Named { FUTURE, STABLE, DEPRECATED, RETIRED }

        /** Reads one; empty when it is none. */
        public static Optional<Revision> of(String text) {
            try {
                return Optional.of(new Revision(text, LocalDate.parse(text.replaceFirst("\\.pre$", ""))));
            } catch (DateTimeException e) {
                return Optional.empty();
            }
        }

        /** The same for what somebody wrote; an {@link IllegalArgumentException} says how to write one. */
        static Revision parse(String text) {
            return of(text).orElseThrow(() -> new IllegalArgumentException("'" + Text.safe(text, 30)
                    + "' is no revision: write YYYY-MM-DD, such as " + NEWEST));
        }

        /** Its phase on a day (UTC). */
        public Phase phase(LocalDate today) {
            if (date.isAfter(today)) {
                return Phase.FUTURE;
            }
            Phase supported = today.isBefore(deprecated()) ? Phase.STABLE : Phase.DEPRECATED;
            return today.isBefore(retires()) ? supported : Phase.RETIRED;
        }

        /** The first day on which it is deprecated. */
        public LocalDate deprecated() {
            return date.plusYears(1);
        }

        /** The first day on which it is retired. */
        public LocalDate retires() {
            return date.plusYears(2);
        }

        @Override
        public String toString() {
            return text;
        }
    }

    /**
     * The first error of a JSON:API error body, as Klaviyo sends it, with its code ({@code throttled}), what it says,
     * and the JSON pointer or query parameter at fault, or empty; or the {@code message} of a retired v1/v2 route,
     * which is no JSON:API, with the code {@code retired}. All texts are safe to print.
     */
    public record ApiError(String code, String detail, String source) {
        private static final Pattern EXPECTED_IN = Pattern.compile("available in (\\d{1,6}) second");

        /** The error in a reply's body; empty when the body is none of Klaviyo's. */
        static Optional<ApiError> of(Http.Reply reply) {
            JsonNode body = reply.json();
            JsonNode first = body.path("errors").path(0);
            if (first.isObject()) {
                JsonNode source = first.path("source");
                return Optional.of(new ApiError(Text.safe(first.path("code").asText(), 60),
                        Text.safe(first.path("detail").asText(first.path("title").asText()), 300),
                        Text.safe(source.path("pointer").asText(source.path("parameter").asText("")), 100)));
            }
            return Optional.of(body.path("message")).filter(message -> message.isTextual() && reply.status() >= 400)
                    .map(message -> new ApiError("retired", Text.safe(message.asText(), 300), ""));
        }

        /**
         * Seconds until a throttled request may be sent again: {@code Retry-After}, else the number in the detail
         * (a 429 without the header has been seen: klaviyo-api-python issue 15). What nobody can wait for is none.
         */
        public static OptionalLong retryAfter(Http.Reply reply) {
            LongStream said = EXPECTED_IN.matcher(of(reply).map(ApiError::detail).orElse("")).results()
                    .mapToLong(found -> Long.parseLong(found.group(1)));
            return LongStream.concat(reply.number("retry-after").stream(), said).filter(wait -> reply.status() == 429
                    && wait >= 0 && wait <= Duration.ofDays(1).toSeconds()).findFirst();
        }

        /**
         * Whether a reply comes from the content network in front of Klaviyo and not from Klaviyo: no error of
         * Klaviyo's, and HTML, a {@code cf-mitigated} header or a status of 520 to 530. {@code cf-ray} alone proves
         * nothing, for genuine answers carry it too (klaviyo-api-python issue 15). Login pages and wrong hosts are HTML
         * too.
         */
        static boolean fromCdn(Http.Reply reply) {
            boolean networks = reply.status() >= 520 && reply.status() <= 530;
            boolean page = reply.html() && !Set.of(401, 404, 405).contains(reply.status());
            return reply.status() >= 400 && of(reply).isEmpty()
                    && (networks || page || reply.header("cf-mitigated").isPresent());
        }

        @Override
        public String toString() {
            return code + (detail.isEmpty() ? "" : ": " + detail)
                    + (source.isEmpty() || source.matches("/data/?") ? "" : " (" + source + ")");
        }
    }
}
