package runbook.sandbox;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One page of a collection: filtered, sorted, cut, and reduced to the fields asked for. */
final class Page {
    private static final Map<String, String> INCLUDABLE =
            Map.of("metric", "metric", "profile", "profile", "webhook-topics", "webhook-topic");

    /** Finds the resource that a relationship points to. */
    interface Lookup {
        Optional<Map<String, Object>> find(String type, String id);
    }

    private final List<Map<String, Object>> resources;
    private final List<Map<String, Object>> included;
    private final Map<String, List<String>> parameters;
    private final int next;

    private Page(List<Map<String, Object>> resources, List<Map<String, Object>> included,
                 Map<String, List<String>> parameters, int next) {
        this.resources = resources;
        this.included = included;
        this.parameters = parameters;
        this.next = next;
    }

    /** The page that these parameters ask for; they have passed the route's rules. */
    static Page of(Route route, List<Map<String, Object>> all, Map<String, List<String>> parameters, Lookup data) {
        List<Map<String, Object>> wanted = new ArrayList<>(all);
        first(parameters, "filter").map(filter -> Filter.read(filter, route.filters()))
                .ifPresent(filter -> wanted.removeIf(filter.negate()));
        first(parameters, "sort").ifPresent(sort -> wanted.sort(order(sort)));
        int from = Math.min(first(parameters, "page[cursor]").map(Page::offset).orElse(0), wanted.size());
        int size = first(parameters, "page[size]")
                .map(Integer::parseInt)
                .orElse(route.page() == 0 ? wanted.size() : route.page());
        int to = Math.min(wanted.size(), from + size);
        List<Map<String, Object>> cut = wanted.subList(from, to);
        return new Page(cut.stream().map(resource -> reduced(resource, parameters)).toList(),
                included(cut, parameters, data), parameters, to < wanted.size() ? to : -1);
    }

    /** The JSON:API document, its links starting with this address. */
    Map<String, Object> document(String address) {
        Map<String, Object> links = KlaviyoData.map("self", address + query(parameters));
        if (next >= 0) {
            Map<String, List<String>> following = new LinkedHashMap<>(parameters);
            following.put("page[cursor]", List.of(cursor(next)));
            links.put("next", address + query(following));
        }
        Map<String, Object> document = KlaviyoData.map("data", resources, "links", links);
        if (parameters.containsKey("include")) {
            document.put("included", included);
        }
        return document;
    }

    /** A resource with the fields that {@code fields[type]} and {@code additional-fields[type]} ask for. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> reduced(Map<String, Object> resource, Map<String, List<String>> parameters) {
        if (!(resource.get("attributes") instanceof Map<?, ?> attributes)) {
            return resource;
        }
        String type = resource.get("type").toString();
        List<String> extra = list(parameters, "additional-fields[" + type + "]");
        List<String> named = list(parameters, "fields[" + type + "]");
        Map<String, Object> kept = new LinkedHashMap<>((Map<String, Object>) attributes);
        List.of("subscriptions", "predictive_analytics", "redacted_key").stream()
                .filter(field -> !extra.contains(field)
                        && named.stream().noneMatch(name -> name.equals(field) || name.startsWith(field + ".")))
                .forEach(kept::remove);
        Map<String, Object> copy = new LinkedHashMap<>(resource);
        copy.put("attributes", named.isEmpty() ? kept : KlaviyoData.only(kept, named));
        return copy;
    }

    private static List<Map<String, Object>> included(
            List<Map<String, Object>> resources, Map<String, List<String>> parameters, Lookup data) {
        Map<Object, Map<String, Object>> found = new LinkedHashMap<>();
        for (String name : list(parameters, "include")) {
            for (Map<String, Object> resource : resources) {
                KlaviyoData.at(resource, "relationships." + name + ".data.id").map(Object::toString)
                        .flatMap(id -> data.find(INCLUDABLE.get(name), id))
                        .ifPresent(other -> found.put(other.get("id"), reduced(other, parameters)));
            }
        }
        return List.copyOf(found.values());
    }

    private static Comparator<Map<String, Object>> order(String sort) {
        String field = sort.replaceFirst("^-", "");
        Comparator<Map<String, Object>> rising = Comparator.comparing(
                resource -> KlaviyoData.at(resource, field.equals("id") ? "id" : "attributes." + field)
                        .map(Object::toString)
                        .orElse(""));
        return sort.startsWith("-") ? rising.reversed() : rising;
    }

    private static String cursor(int offset) {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(("offset:" + offset).getBytes(StandardCharsets.US_ASCII));
    }

    private static int offset(String cursor) {
        try {
            String text = new String(Base64.getUrlDecoder().decode(cursor), StandardCharsets.US_ASCII);
            return Integer.parseInt(text.substring("offset:".length()));
        } catch (RuntimeException e) {
            throw KlaviyoErrors.parameter("page[cursor]", "Invalid cursor.");
        }
    }

    private static Optional<String> first(Map<String, List<String>> parameters, String name) {
        return Optional.ofNullable(parameters.get(name)).map(values -> values.get(0));
    }

    private static List<String> list(Map<String, List<String>> parameters, String name) {
        return first(parameters, name).map(value -> List.of(value.split(","))).orElse(List.of());
    }

    private static String query(Map<String, List<String>> parameters) {
        List<String> pairs = new ArrayList<>();
        parameters.forEach((name, values) -> pairs.add(encoded(name) + "=" + encoded(values.get(0))));
        return "/" + (pairs.isEmpty() ? "" : "?" + String.join("&", pairs));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
