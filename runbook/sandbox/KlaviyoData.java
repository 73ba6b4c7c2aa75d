package runbook.sandbox;

import java.net.URI;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import runbook.sandbox.Keyring.Account;

/** The resources of an account: invented people at example.com, in the shapes of the OpenAPI specification. */
final class KlaviyoData {
    private static final DateTimeFormatter STAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ssxxx");
    private static final List<String> METRICS = List.of(
            "Placed Order",
            "Ordered Product",
            "Fulfilled Order",
            "Cancelled Order",
            "Checkout Started",
            "Viewed Product",
            "Active on Site",
            "Opened Email",
            "Clicked Email",
            "Received Email",
            "Bounced Email",
            "Subscribed to List",
            "Unsubscribed",
            "Received SMS");
    private static final List<String> LISTS = List.of(
            "Newsletter",
            "Preview List",
            "SMS Subscribers",
            "VIP",
            "Waitlist",
            "Back in Stock",
            "Loyalty",
            "Wholesale",
            "Events",
            "Press",
            "Staff",
            "Archive 2024");
    private static final List<String> TOPICS = List.of("event:klaviyo.sent_sms", "event:klaviyo.received_sms",
            "event:klaviyo.clicked_sms", "event:klaviyo.opened_email");
    private static final int PROFILES = 25;
    private static final int EVENTS = 40;

    private final World world;

    KlaviyoData(World world) {
        this.world = world;
    }

    /** All resources of a type, in the order in which the API gives them. */
    List<Map<String, Object>> of(String type, Account account) {
        Map<String, IntFunction<Map<String, Object>>> makers = Map.of(
                "account", index -> account(account),
                "profile", index -> profile(account, index),
                "list", index -> list(account, index),
                "metric", index -> metric(account, index),
                "event", index -> event(account, index),
                "webhook", index -> webhook(account),
                "webhook-topic", index -> resource("webhook-topic", TOPICS.get(index), null));
        Map<String, Integer> counts = Map.of("profile", PROFILES, "list", LISTS.size(), "metric", METRICS.size(),
                "event", EVENTS, "webhook-topic", TOPICS.size());
        return IntStream.range(0, counts.getOrDefault(type, 1)).mapToObj(makers.get(type)).toList();
    }

    /** The resource that a relationship points to. */
    Optional<Map<String, Object>> find(Account account, String type, String id) {
        return of(type, account).stream().filter(resource -> resource.get("id").equals(id)).findFirst();
    }

    private Map<String, Object> account(Account account) {
        return resource("account", account.id(), map(
                "test_account", false,
                "contact_information", map("default_sender_name", account.organisation(),
                        "default_sender_email", "hello@example.com", "website_url", "https://www.example.com",
                        "organization_name", account.organisation(),
                        "street_address", map("address1", "1 Drill Street", "address2", null, "city", "Utrecht",
                                "region", "UT", "country", "NL", "zip", "3511")),
                "industry", "Sporting Goods", "timezone", "Europe/Amsterdam", "preferred_currency", "EUR",
                "public_api_key", account.id(), "locale", "en-GB"));
    }

    private Map<String, Object> profile(Account account, int index) {
        String created = daysAgo(200 - index);
        return resource(
                "profile",
                id(account, "profile", index),
                map(
                        "email",
                        "drill.person." + index + "@example.com",
                        "phone_number",
                        null,
                        "external_id",
                        "drill-" + index,
                        "first_name",
                        "Drill",
                        "last_name",
                        "Person " + index,
                        "organization",
                        null,
                        "locale",
                        "en-GB",
                        "title",
                        null,
                        "image",
                        null,
                        "created",
                        created,
                        "updated",
                        daysAgo(index),
                        "last_event_date",
                        daysAgo(0),
                        "location",
                        map(
                                "address1",
                                null,
                                "address2",
                                null,
                                "city",
                                "Utrecht",
                                "country",
                                "Netherlands",
                                "latitude",
                                null,
                                "longitude",
                                null,
                                "region",
                                null,
                                "zip",
                                null,
                                "timezone",
                                "Europe/Amsterdam",
                                "ip",
                                null),
                        "properties",
                        map("drill", true),
                        "subscriptions",
                        map(
                                "email",
                                map(
                                        "marketing",
                                        map(
                                                "can_receive_email_marketing",
                                                true,
                                                "consent",
                                                "SUBSCRIBED",
                                                "consent_timestamp",
                                                created,
                                                "last_updated",
                                                created,
                                                "method",
                                                "FORM",
                                                "method_detail",
                                                "",
                                                "custom_method_detail",
                                                null,
                                                "double_optin",
                                                true,
                                                "suppression",
                                                List.of(),
                                                "list_suppressions",
                                                List.of()))),
                        "predictive_analytics",
                        map("historic_clv", 93.87, "predicted_clv", 27.24, "total_clv", 121.11)));
    }

    private Map<String, Object> list(Account account, int index) {
        return resource(
                "list",
                id(account, "list", index),
                map(
                        "name",
                        LISTS.get(index),
                        "created",
                        daysAgo(300 - index),
                        "updated",
                        daysAgo(index),
                        "opt_in_process",
                        index % 3 == 0 ? "double_opt_in" : "single_opt_in"));
    }

    private Map<String, Object> metric(Account account, int index) {
        String shop = index < 7 ? "Shopify" : "Klaviyo";
        return resource("metric", id(account, "metric", index), map("name", METRICS.get(index), "created", daysAgo(300),
                "updated", daysAgo(30), "integration", map("object", "integration", "id", shop.toLowerCase(Locale.ROOT),
                        "name", shop, "category", index < 7 ? "eCommerce" : "Internal")));
    }

    private Map<String, Object> event(Account account, int index) {
        Instant at = now().minusSeconds(90L * index);
        Map<String, Object> event = resource(
                "event",
                id(account, "event", index),
                map(
                        "timestamp",
                        at.getEpochSecond(),
                        "event_properties",
                        map("OrderId", 1000 + index, "$value", 42.5),
                        "datetime",
                        STAMP.format(at.atOffset(ZoneOffset.UTC)),
                        "uuid",
                        uuid(account, "event", index).toString()));
        event.put("relationships", map(
                "profile", related(event, "profile", id(account, "profile", index % PROFILES)),
                "metric", related(event, "metric", id(account, "metric", index % METRICS.size()))));
        return event;
    }

    private Map<String, Object> webhook(Account account) {
        URI endpoint = world.webhookUrl == null ? URI.create("https://www.example.com/") : world.webhookUrl;
        // Klaviyo shows the address cut down to its origin.
        return resource("webhook", "01HF7AYTK76RHR4F17G6" + account.id().toUpperCase(Locale.ROOT), map(
                "name", "Drill deliveries", "description", "SMS and e-mail events",
                "endpoint_url", endpoint.getScheme() + "://" + endpoint.getAuthority(), "enabled", true,
                "created_at", daysAgo(100), "updated_at", daysAgo(10)));
    }

    Map<String, Object> resource(String type, String id, Map<String, Object> attributes) {
        Map<String, Object> resource = map("type", type, "id", id);
        if (attributes != null) {
            resource.put("attributes", attributes);
        }
        resource.put("links", map("self", self(type, id)));
        return resource;
    }

    private String self(String type, String id) {
        return world.apiUrl + "/api/" + type + "s/" + id + "/";
    }

    private Map<String, Object> related(Map<String, Object> from, String type, String id) {
        String self = self(from.get("type").toString(), from.get("id").toString());
        return map("data", map("type", type, "id", id),
                "links", map("self", self + "relationships/" + type + "/", "related", self + type + "/"));
    }

    private static String id(Account account, String type, int index) {
        String seed = account.id() + type + index;
        return switch (type) {
            case "profile" -> "01" + Ids.hex(seed, 24).toUpperCase(Locale.ROOT);
            case "event" -> Ids.hex(seed, 11);
            default -> Ids.hex(seed, 6);
        };
    }

    private static UUID uuid(Account account, String type, int index) {
        SplittableRandom random = new SplittableRandom((account.id() + type + index).hashCode());
        return new UUID(random.nextLong(), random.nextLong());
    }

    private Instant now() {
        return world.clock.wall(world.clock.millis());
    }

    private String daysAgo(long days) {
        return STAMP.format(world.clock
                .wall(0)
                .truncatedTo(ChronoUnit.HOURS)
                .minus(days, ChronoUnit.DAYS)
                .atOffset(ZoneOffset.UTC));
    }

    /** A map in the order written; unlike {@link Map#of} it takes nulls, which JSON needs. */
    static Map<String, Object> map(Object... namesAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            map.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return map;
    }

    /** The value at a dotted path of nested maps; empty when there is none. */
    static Optional<Object> at(Map<?, ?> tree, String path) {
        Object value = tree;
        for (String name : path.split("\\.")) {
            value = value instanceof Map<?, ?> map ? map.get(name) : null;
        }
        return Optional.ofNullable(value);
    }

    /** A copy with only these dotted paths. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> only(Map<String, Object> tree, List<String> paths) {
        Map<String, Object> kept = new LinkedHashMap<>();
        for (String name : new ArrayList<>(tree.keySet())) {
            List<String> below = paths.stream().filter(path -> path.startsWith(name + "."))
                    .map(path -> path.substring(name.length() + 1)).toList();
            if (paths.contains(name)) {
                kept.put(name, tree.get(name));
            } else if (!below.isEmpty() && tree.get(name) instanceof Map<?, ?> child) {
                kept.put(name, only((Map<String, Object>) child, below));
            }
        }
        return kept;
    }
}
