package runbook;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Stream;
import runbook.Settings.Problem;

/** Text from outside, made fit to print: it can neither move the cursor nor carry a Klaviyo private key. */
public final class Text {
    // Cc: controls (ESC among them); Cf: bidirectional overrides and zero-width marks; Zl, Zp: line separators.
    private static final Pattern UNSAFE = Pattern.compile("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Cs}\\s]+");

    private Text() { }

    /**
     * One printable line of at most {@code max} characters: runs of white space and control characters become one
     * space, private keys are masked, and what is cut ends in an ellipsis.
     */
    public static String safe(String text, int max) {
        if (text == null) {
            return "";
        }
        // Bounded before the pattern sees it: the text may be an error page of a megabyte.
        String head = text.length() > 4L * max + 256 ? text.substring(0, 4 * max + 256) : text;
        String line = Key.mask(UNSAFE.matcher(head).replaceAll(" ").strip());
        return line.length() <= max ? line : line.substring(0, Math.max(0, max - 1)).stripTrailing() + "…";
    }

    /** {@code 1 request}, {@code 3 requests}. */
    public static String count(long number, String noun) {
        return number + " " + noun + (number == 1 ? "" : "s");
    }

    /** A text as one word of a shell's command line. */
    public static String word(String text) {
        return text.matches("[A-Za-z0-9_@%+=:,./-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
    }

    /** Durations as people write and read them: {@code 500ms}, {@code 5s}, {@code 2m}, {@code 1h30m}, {@code 2d}. */
    public static final class Durations {
        private static final Duration LONGEST = Duration.ofDays(3_650);
        private static final Pattern FORM =
                Pattern.compile("(?:(N)d)?(?:(N)h)?(?:(N)m(?!s))?(?:(N)s)?(?:(N)ms)?".replace("N", "\\d{1,9}"));

        private Durations() { }

        /**
         * Reads a duration.
         *
         * @throws IllegalArgumentException with the accepted forms in its message, when the text is none of them,
         *     zero, or more than ten years
         */
        public static Duration parse(String text) {
            Matcher parts = FORM.matcher(text.strip());
            if (text.isBlank() || !parts.matches()) {
                throw refused(text, text.strip().equals("0") ? "has to be more than 0" : "is no duration");
            }
            Duration duration = Duration.ofDays(number(parts, 1)).plusHours(number(parts, 2))
                    .plusMinutes(number(parts, 3)).plusSeconds(number(parts, 4)).plusMillis(number(parts, 5));
            if (duration.isZero() || duration.compareTo(LONGEST) > 0) {
                throw refused(text, duration.isZero() ? "has to be more than 0" : "is longer than ten years");
            }
            return duration;
        }

        private static IllegalArgumentException refused(String text, String why) {
            return new IllegalArgumentException("'" + safe(text, 40) + "' " + why + ": write 500ms, 5s, 2m or 1h30m");
        }

        private static long number(Matcher parts, int group) {
            return parts.group(group) == null ? 0 : Long.parseLong(parts.group(group));
        }

        /**
         * The shortest reading that keeps two units: {@code 340 ms}, {@code 4.2 s}, {@code 2 min 5 s}, {@code 1 h 30
         * min}, {@code 3 d 4 h}.
         */
        public static String words(Duration duration) {
            long millis = duration.toMillis();
            if (millis < 1_000) {
                return millis + " ms";
            }
            if (millis < 10_000 && millis % 1_000 >= 100) {
                return millis / 1_000 + "." + millis % 1_000 / 100 + " s";
            }
            long seconds = duration.toSeconds();
            if (seconds < 60) {
                return seconds + " s";
            }
            if (seconds < 3_600) {
                return pair(seconds / 60, "min", seconds % 60, "s");
            }
            if (seconds < 86_400) {
                return pair(seconds / 3_600, "h", seconds % 3_600 / 60, "min");
            }
            return pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h");
        }

        private static String pair(long large, String largeUnit, long small, String smallUnit) {
            return large + " " + largeUnit + (small == 0 ? "" : " " + small + " " + smallUnit);
        }
    }

    /** The name that somebody probably meant. */
    public static final class Nearest {
        private static final int FARTHEST = 4;

        private Nearest() { }

        /** The nearest of the names by edit distance, where one is near enough to be meant. */
        public static Optional<String> to(String wrong, Collection<String> names) {
            return names.stream().sorted()
                    .filter(name -> distance(wrong, name) <= Math.min(FARTHEST, longest(wrong, name) / 2))
                    .min(Comparator.comparingInt(name -> distance(wrong, name)));
        }

        /**
         * What a message says of a wrong name: {@code , did you mean outage?} where one is near, else all that there
         * are.
         */
        public static String hint(String wrong, Collection<String> names) {
            return to(wrong, names).map(near -> ", did you mean " + near + "?")
                    .orElseGet(() -> "; there are " + String.join(", ", names));
        }

        private static int longest(String a, String b) {
            return Math.max(a.length(), b.length());
        }

        private static int distance(String a, String b) {
            int[] row = new int[b.length() + 1];
            for (int j = 0; j <= b.length(); j++) {
                row[j] = j;
            }
            for (int i = 1; i <= a.length(); i++) {
                int diagonal = row[0];
                row[0] = i;
                for (int j = 1; j <= b.length(); j++) {
                    int same = Character.toLowerCase(a.charAt(i - 1)) == Character.toLowerCase(b.charAt(j - 1)) ? 0 : 1;
                    int next = Math.min(Math.min(row[j] + 1, row[j - 1] + 1), diagonal + same);
                    diagonal = row[j];
                    row[j] = next;
                }
            }
            return row[b.length()];
        }
    }

    /** The one JSON mapper, and trees made from plain maps. */
    public static final class Json {
        private static final ObjectMapper MAPPER = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET)
                .build();

        private static final ObjectReader TABLES =
                MAPPER.reader().with(StreamReadFeature.STRICT_DUPLICATE_DETECTION);

        private Json() { }

        /**
         * Reads one JSON document.
         *
         * @throws IOException when the bytes are not exactly one document
         */
        public static JsonNode read(byte[] bytes) throws IOException {
            return orMissing(MAPPER.readTree(bytes));
        }

        /**
         * Reads one JSON document.
         *
         * @throws IOException when the text is not exactly one document
         */
        public static JsonNode read(String text) throws IOException {
            return orMissing(MAPPER.readTree(text));
        }

        private static JsonNode orMissing(JsonNode node) {
            return node == null ? MissingNode.getInstance() : node;
        }

        /** Reads something, so that the next reading is faster: see {@link runbook.Checkup#prepare}. */
        public static void prepare() {
            try {
                read("{}");
            } catch (IOException e) {
                throw new IllegalStateException("an empty object is JSON", e);
            }
        }

        /** An empty object to fill. */
        public static ObjectNode object() {
            return JsonNodeFactory.instance.objectNode();
        }

        /**
         * A tree of plain values: maps, collections, strings, numbers, booleans and nulls as they are, trees kept,
         * anything else (instants, enums, addresses) by its {@code toString()}. Fields stand in the map's order where
         * it has one, or else by name: {@code Map.of} has another with each start.
         */
        public static JsonNode of(Object value) {
            JsonNodeFactory nodes = JsonNodeFactory.instance;
            if (value instanceof JsonNode node) {
                return node;
            } else if (value instanceof Map<?, ?> map) {
                ObjectNode object = nodes.objectNode();
                ordered(map).forEach((name, element) -> object.set(name.toString(), of(element)));
                return object;
            } else if (value instanceof Collection<?> collection) {
                ArrayNode array = nodes.arrayNode();
                collection.forEach(element -> array.add(of(element)));
                return array;
            } else if (value instanceof Boolean bool) {
                return nodes.booleanNode(bool);
            } else if (value instanceof Double || value instanceof Float) {
                return nodes.numberNode(((Number) value).doubleValue());
            } else if (value instanceof Number number) {
                return nodes.numberNode(number.longValue());
            }
            return value == null ? nodes.nullNode() : nodes.textNode(value.toString());
        }

        private static Map<?, ?> ordered(Map<?, ?> map) {
            boolean ordered = map instanceof LinkedHashMap || map instanceof SortedMap || map instanceof EnumMap;
            return ordered ? map : new TreeMap<>(map);
        }

        /** The tree on one line. */
        public static String line(JsonNode node) {
            try {
                return MAPPER.writeValueAsString(node);
            } catch (JsonProcessingException e) {
                throw new IllegalStateException("a JSON tree that cannot be written", e);
            }
        }

        /** The tree indented, without a line end after it. */
        public static String pretty(JsonNode node) {
            return node.toPrettyString();
        }

        /**
         * Reads a table: an object whose fields are rows' ids. A row becomes a record, its fields the record's
         * components by name; a component {@code id} gets the row's id. Components are strings, numbers, booleans,
         * enums (by name, whatever the case, {@code -} for {@code _}), {@link Duration}, {@link Pattern}, trees ({@link
         * JsonNode}), Mustache templates ({@link Message.Template}), records, and lists and maps (by string) of those.
         * An {@link Optional} may be missing; a missing list or map is empty; anything else has to be there. A record's
         * constructor refuses what makes no sense with an {@link IllegalArgumentException}, whose message says what to
         * write.
         *
         * @param origin the file, for messages
         * @param team   whether a team wrote it: then its Mustache templates are parsed at once, not when filled
         * @return rows by id, in the table's order
         * @throws Problem of one line that names file, id and field
         */
        public static <T extends Record> Map<String, T> table(String origin, String text, boolean team, Class<T> row) {
            Map<String, T> rows = new LinkedHashMap<>();
            rows(origin, text).properties().forEach(field ->
                    rows.put(field.getKey(), row(origin, field.getKey(), field.getValue(), team, row)));
            return rows;
        }

        /** One row of a table, as {@link #table} reads it. */
        static <T extends Record> T row(String origin, String id, JsonNode node, boolean team, Class<T> row) {
            return row.cast(new Row(origin + ", " + safe(id, 60), id, team).record("", node, row));
        }

        /** A table's rows by id, not read yet. */
        static JsonNode rows(String origin, String text) {
            try {
                JsonNode table = orMissing(TABLES.readTree(text));
                if (!table.isObject()) {
                    throw new Problem(origin + " has to be an object: rows by id");
                }
                return table;
            } catch (JsonProcessingException e) {
                throw new Problem(origin + (e.getLocation() == null ? "" : " line " + e.getLocation().getLineNr())
                        + " is no JSON: " + safe(e.getOriginalMessage(), 200));
            }
        }
    }

    /** One row of a table while it is read: what its messages begin with, and its id. */
    private record Row(String where, String id, boolean team) {
        private Problem wrong(String field, String what) {
            return new Problem(where + ": " + (field.isEmpty() ? "" : field + " ") + what);
        }

        private Object record(String field, JsonNode node, Class<?> type) {
            if (!node.isObject()) {
                throw wrong(field, "has to be an object");
            }
            String prefix = field.isEmpty() ? "" : field + ".";
            RecordComponent[] components = type.getRecordComponents();
            List<String> known = Stream.of(components).map(RecordComponent::getName).sorted().toList();
            node.fieldNames().forEachRemaining(name -> {
                if (!known.contains(name)) {
                    throw wrong(prefix + safe(name, 40), "is no field" + Nearest.hint(name, known));
                }
            });
            Object[] values = new Object[components.length];
            Class<?>[] types = new Class<?>[components.length];
            for (int i = 0; i < components.length; i++) {
                String name = components[i].getName();
                types[i] = components[i].getType();
                values[i] = name.equals("id") && field.isEmpty() && !node.has("id") ? id
                        : component(prefix + name, node.get(name), components[i].getGenericType());
            }
            try {
                Constructor<?> constructor = type.getDeclaredConstructor(types);
                constructor.setAccessible(true);
                return constructor.newInstance(values);
            } catch (InvocationTargetException e) {
                throw e.getCause() instanceof IllegalArgumentException said ? wrong(field, safe(said.getMessage(), 200))
                        : e.getCause() instanceof Problem problem ? problem : new IllegalStateException(e.getCause());
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(type + " is no record to read rows into", e);
            }
        }

        private Object component(String field, JsonNode node, Type type) {
            boolean missing = node == null || node.isNull();
            if (type instanceof ParameterizedType generic) {
                Type[] inner = generic.getActualTypeArguments();
                if (generic.getRawType() == Optional.class) {
                    return missing ? Optional.empty() : Optional.of(component(field, node, inner[0]));
                }
                return generic.getRawType() == List.class ? list(field, node, inner[0]) : map(field, node, inner[1]);
            }
            if (missing) {
                throw wrong(field, "is missing");
            }
            Class<?> plain = MethodType.methodType((Class<?>) type).unwrap().returnType();
            return plain.isRecord() ? record(field, node, plain) : value(field, node, plain);
        }

        private List<Object> list(String field, JsonNode node, Type inner) {
            if (node != null && !node.isArray()) {
                throw wrong(field, "has to be a list");
            }
            List<Object> values = new ArrayList<>();
            for (int i = 0; node != null && i < node.size(); i++) {
                values.add(component(field + "[" + i + "]", node.get(i), inner));
            }
            return Collections.unmodifiableList(values);
        }

        private Map<String, Object> map(String field, JsonNode node, Type inner) {
            if (node != null && !node.isObject()) {
                throw wrong(field, "has to be an object");
            }
            Map<String, Object> values = new LinkedHashMap<>();
            if (node != null) {
                node.properties().forEach(entry ->
                        values.put(entry.getKey(), component(field + "." + entry.getKey(), entry.getValue(), inner)));
            }
            return Collections.unmodifiableMap(values);
        }

        private Object value(String field, JsonNode node, Class<?> type) {
            if (type == JsonNode.class) {
                return node;
            } else if (type == boolean.class && node.isBoolean()) {
                return node.booleanValue();
            } else if (type == int.class && node.isIntegralNumber() && node.canConvertToInt()) {
                return node.intValue();
            } else if (type == long.class && node.isIntegralNumber() && node.canConvertToLong()) {
                return node.longValue();
            } else if (type == double.class && node.isNumber()) {
                return node.doubleValue();
            } else if (type.isPrimitive() || !node.isTextual()) {
                String fit = type == boolean.class ? "true or false" : type.isPrimitive() ? "a number" : "text";
                throw wrong(field, "has to be " + fit);
            }
            return type.isEnum() ? constant(field, node.textValue(), type) : fromText(field, node.textValue(), type);
        }

        private Object constant(String field, String text, Class<?> type) {
            Map<String, Object> known = new LinkedHashMap<>();
            for (Object constant : type.getEnumConstants()) {
                known.put(((Enum<?>) constant).name().toLowerCase(Locale.ROOT).replace('_', '-'), constant);
            }
            String name = text.toLowerCase(Locale.ROOT).replace('_', '-');
            return Optional.ofNullable(known.get(name)).orElseThrow(() ->
                    wrong(field, "is " + safe(text, 40) + Nearest.hint(text, known.keySet())));
        }

        private Object fromText(String field, String text, Class<?> type) {
            try {
                if (type == Duration.class) {
                    return Durations.parse(text);
                } else if (type == Pattern.class) {
                    return Pattern.compile(text);
                } else if (type == Message.Template.class) {
                    Message.Template template = Message.Template.of(where + ": " + field, text);
                    return team ? template.parsed() : template;
                }
                return text;
            } catch (PatternSyntaxException e) {
                throw wrong(field, "is no pattern: " + safe(e.getDescription(), 80));
            } catch (IllegalArgumentException e) {
                throw wrong(field, safe(e.getMessage(), 200));
            }
        }
    }
}
