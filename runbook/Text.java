package runbook;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.ValueNode;
import java.io.*;
import java.lang.invoke.*;
import java.lang.reflect.*;
import java.time.*;
import java.time.format.*;
import java.time.temporal.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Message.Template;
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

    /** A minute in UTC: {@code 2026-11-23T03:04Z}. */
    public static String minute(Instant at) {
        return at.truncatedTo(ChronoUnit.MINUTES).toString().replace(":00Z", "Z");
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
                Pattern.compile("0|(?:(N)d)?(?:(N)h)?(?:(N)m(?!s))?(?:(N)s)?(?:(N)ms)?".replace("N", "\\d{1,9}"));
        private static final long[] MILLIS = {86_400_000, 3_600_000, 60_000, 1_000, 1};
        private static final String[] UNITS = {"d", "h", "min", "s", "ms"};

        private Durations() { }

        /** Reads a duration; an {@link IllegalArgumentException} says how to write one. */
        public static Duration parse(String text) {
            Matcher parts = FORM.matcher(text.strip());
            Duration duration = Duration.ZERO;
            for (int i = 0; parts.matches() && i < MILLIS.length; i++) {
                String part = parts.group(i + 1);
                duration = duration.plusMillis(part == null ? 0 : MILLIS[i] * Long.parseLong(part));
            }
            if (duration.isZero() || duration.compareTo(LONGEST) > 0) {
                throw new IllegalArgumentException("'" + safe(text, 40)
                        + "' is no duration of more than 0 and at most ten years: write 500ms, 5s, 2m or 1h30m");
            }
            return duration;
        }

        /** With at most two units: {@code 340 ms}, {@code 4.2 s}, {@code 2 min 5 s}, {@code 3 d 4 h}. */
        public static String words(Duration duration) {
            long millis = duration.toMillis();
            if (millis >= 1_000 && millis < 10_000 && millis % 1_000 >= 100) {
                return millis / 1_000 + "." + millis % 1_000 / 100 + " s";
            }
            int unit = 0;
            while (unit < MILLIS.length - 1 && millis < MILLIS[unit]) {
                unit++;
            }
            long small = unit >= 3 ? 0 : millis % MILLIS[unit] / MILLIS[unit + 1];
            return millis / MILLIS[unit] + " " + UNITS[unit] + (small == 0 ? "" : " " + small + " " + UNITS[unit + 1]);
        }
    }

    /** The name that somebody probably meant. */
    public static final class Nearest {
        private static final int FARTHEST = 4;

        private Nearest() { }

        /** The nearest of the names by edit distance, where one is near enough to be meant. */
        public static Optional<String> to(String wrong, Collection<String> names) {
            return names.stream().sorted().min(Comparator.comparingInt(name -> distance(wrong, name))).filter(name ->
                    distance(wrong, name) <= Math.min(FARTHEST, Math.max(wrong.length(), name.length()) / 2));
        }

        /**
         * What a message says of a wrong name: {@code , did you mean outage?} where one is near, else all there are.
         */
        public static String hint(String wrong, Collection<String> names) {
            return to(wrong, names).map(near -> ", did you mean " + near + "?")
                    .orElseGet(() -> "; there are " + String.join(", ", names));
        }

        private static int distance(String a, String b) {
            int[] row = IntStream.rangeClosed(0, b.length()).toArray();
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

    /**
     * JSON read into trees, written, and trees made from plain maps. Jackson's ObjectMapper could do that and much
     * more, and takes a fifth of a script's first run to load what nobody here needs.
     */
    public static final class Json {
        private static final JsonFactory FACTORY = new JsonFactory();

        private Json() { }

        /** Reads exactly one JSON document; a missing node where there is nothing. */
        public static JsonNode read(byte[] bytes) throws IOException {
            return document(FACTORY.createParser(bytes));
        }

        /** The same from a text. */
        public static JsonNode read(String text) throws IOException {
            return document(FACTORY.createParser(text));
        }

        /** The same, refused where an object has a field twice: the first one would be read by nobody, and kept. */
        public static JsonNode strict(String text) throws IOException {
            return document(FACTORY.createParser(text).enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION));
        }

        private static JsonNode document(JsonParser json) throws IOException {
            try (json) {
                JsonNode document = json.nextToken() == null ? MissingNode.getInstance() : tree(json);
                if (json.nextToken() != null) {
                    throw new JsonParseException(json, "there is something behind its end");
                }
                return document;
            }
        }

        private static JsonNode tree(JsonParser json) throws IOException {
            JsonNodeFactory nodes = JsonNodeFactory.instance;
            if (json.isExpectedStartObjectToken()) {
                ObjectNode object = nodes.objectNode();
                for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                    json.nextToken();
                    object.set(name, tree(json));
                }
                return object;
            } else if (json.isExpectedStartArrayToken()) {
                ArrayNode array = nodes.arrayNode();
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    array.add(tree(json));
                }
                return array;
            }
            return switch (json.currentToken()) {
                case VALUE_STRING -> nodes.textNode(json.getText());
                case VALUE_TRUE, VALUE_FALSE -> nodes.booleanNode(json.getBooleanValue());
                case VALUE_NUMBER_FLOAT -> nodes.numberNode(json.getDoubleValue());
                case VALUE_NUMBER_INT -> json.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                        ? nodes.numberNode(json.getBigIntegerValue()) : nodes.numberNode(json.getLongValue());
                default -> nodes.nullNode();
            };
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
                boolean ordered = map instanceof LinkedHashMap || map instanceof SortedMap || map instanceof EnumMap;
                ObjectNode object = nodes.objectNode();
                (ordered ? map : new TreeMap<>(map)).forEach((name, held) -> object.set(name.toString(), of(held)));
                return object;
            } else if (value instanceof Collection<?> collection) {
                ArrayNode array = nodes.arrayNode();
                collection.forEach(element -> array.add(of(element)));
                return array;
            } else if (value instanceof Boolean bool) {
                return nodes.booleanNode(bool);
            } else if (value instanceof Number number) {
                boolean fraction = value instanceof Double || value instanceof Float;
                return fraction ? nodes.numberNode(number.doubleValue()) : nodes.numberNode(number.longValue());
            }
            return value == null ? nodes.nullNode() : nodes.textNode(value.toString());
        }

        /** The tree on one line. */
        public static String line(JsonNode node) {
            return written(node, false);
        }

        /** The tree indented, without a line end after it. */
        public static String pretty(JsonNode node) {
            return written(node, true);
        }

        private static String written(JsonNode node, boolean pretty) {
            StringWriter text = new StringWriter();
            try (JsonGenerator json = FACTORY.createGenerator(text)) {
                write(node, pretty ? json.useDefaultPrettyPrinter() : json);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return text.toString();
        }

        private static void write(JsonNode node, JsonGenerator json) throws IOException {
            if (node.isNull() || node.isMissingNode()) {
                json.writeNull();
            } else if (node instanceof ValueNode value) {
                value.serialize(json, null);
            } else if (node.isArray()) {
                json.writeStartArray();
                for (JsonNode element : node) {
                    write(element, json);
                }
                json.writeEndArray();
            } else {
                json.writeStartObject();
                for (Map.Entry<String, JsonNode> field : node.properties()) {
                    json.writeFieldName(field.getKey());
                    write(field.getValue(), json);
                }
                json.writeEndObject();
            }
        }

        /**
         * Reads a table: an object whose fields are rows' ids. A row becomes a record, its fields the record's
         * components by name; a component {@code id} gets the row's id. Components are texts, numbers, booleans, enums
         * (by name, whatever the case, {@code -} for {@code _}), {@link Duration}, {@link Pattern}, trees ({@link
         * JsonNode}), Mustache templates ({@link Template}), records, and lists and maps (by name) of those. An {@link
         * Optional} may be missing; a missing list or map is empty; anything else has to be there. A record's
         * constructor refuses what makes no sense with an {@link IllegalArgumentException}, whose message says what to
         * write. What a team wrote is read and checked at once; of ours a row is when it is asked for, which takes less
         * time. A {@link Problem} is one line that names file ({@code origin}), id and field.
         */
        public static <T extends Record> Map<String, T> table(String origin, String text, boolean team, Class<T> type) {
            JsonNode table;
            try {
                table = strict(text);
            } catch (IOException e) {
                boolean placed = e instanceof JsonProcessingException json && json.getLocation() != null;
                String line = placed ? " line " + ((JsonProcessingException) e).getLocation().getLineNr() : "";
                String said = e.getMessage().replaceFirst("(?s) \\(start marker.*|\\s*at \\[Source.*", "");
                throw new Problem(origin + line + " is no JSON: " + safe(said, 200));
            }
            if (!table.isObject()) {
                throw new Problem(origin + " has to be an object: rows by id");
            }
            Set<Map.Entry<String, T>> rows = new LinkedHashSet<>();
            table.properties().forEach(row -> rows.add(new Row<>(origin, row, team, type)));
            rows.stream().filter(row -> team).forEach(Map.Entry::getValue);
            return new AbstractMap<>() {
                @Override
                public Set<Map.Entry<String, T>> entrySet() {
                    return Collections.unmodifiableSet(rows);
                }
            };
        }
    }

    /** One row of a table: its id, and the record that it is read into when somebody first asks for it. */
    private static final class Row<T extends Record> extends AbstractMap.SimpleEntry<String, T> {
        private static final long serialVersionUID = 1;
        private final transient JsonNode row;
        private final String origin;
        private final boolean team;
        private final Class<T> type;

        Row(String origin, Map.Entry<String, JsonNode> row, boolean team, Class<T> type) {
            super(row.getKey(), null);
            this.origin = origin;
            this.row = row.getValue();
            this.team = team;
            this.type = type;
        }

        @Override
        public synchronized T getValue() {
            if (super.getValue() == null) {
                setValue(type.cast(record("", row, type)));
            }
            return super.getValue();
        }

        private String place(String field) {
            return origin + ", " + safe(getKey(), 60) + ": " + field;
        }

        /** Refuses a field that is not as it has to be, in a sentence that names it. */
        private void check(boolean right, String field, String what) {
            if (!right) {
                throw new Problem(place(field) + (field.isEmpty() ? "" : " ") + what);
            }
        }

        private Object record(String field, JsonNode node, Class<?> type) {
            check(node.isObject(), field, "has to be an object");
            String prefix = field.isEmpty() ? "" : field + ".";
            RecordComponent[] components = type.getRecordComponents();
            List<String> known = Stream.of(components).map(RecordComponent::getName).toList();
            node.properties().stream().map(Map.Entry::getKey).filter(name -> !known.contains(name)).findFirst()
                    .ifPresent(name -> check(false, prefix + safe(name, 40),
                            "is no field" + Nearest.hint(name, known)));
            Object[] values = new Object[components.length];
            Class<?>[] types = new Class<?>[components.length];
            for (int i = 0; i < values.length; i++) {
                String name = known.get(i);
                boolean rowsId = name.equals("id") && field.isEmpty() && !node.has("id");
                values[i] = rowsId ? getKey() : value(prefix + name, node.path(name), components[i].getGenericType());
                types[i] = components[i].getType();
            }
            try {
                Constructor<?> canonical = type.getDeclaredConstructor(types);
                canonical.setAccessible(true);
                return canonical.newInstance(values);
            } catch (InvocationTargetException e) {
                check(!(e.getCause() instanceof IllegalArgumentException), field, safe(e.getCause().getMessage(), 200));
                throw new IllegalStateException(e.getCause());
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(type + " is no record to read rows into", e);
            }
        }

        private Object value(String field, JsonNode node, Type type) {
            boolean missing = node.isMissingNode() || node.isNull();
            if (!(type instanceof ParameterizedType generic)) {
                check(!missing, field, "is missing");
                Class<?> plain = MethodType.methodType((Class<?>) type).unwrap().returnType();
                boolean nested = plain.isRecord() && plain != Template.class;
                return nested ? record(field, node, plain) : plain(field, node, plain);
            }
            Type[] held = generic.getActualTypeArguments();
            Type inner = held[held.length - 1];
            if (generic.getRawType() == Optional.class) {
                return missing ? Optional.empty() : Optional.of(value(field, node, inner));
            } else if (generic.getRawType() == List.class) {
                check(missing || node.isArray(), field, "has to be a list");
                List<Object> list = new ArrayList<>();
                node.forEach(one -> list.add(value(field + "[" + list.size() + "]", one, inner)));
                return Collections.unmodifiableList(list);
            }
            check(missing || node.isObject(), field, "has to be an object");
            Map<String, Object> map = new LinkedHashMap<>();
            node.properties().forEach(one ->
                    map.put(one.getKey(), value(field + "." + one.getKey(), one.getValue(), inner)));
            return Collections.unmodifiableMap(map);
        }

        private Object plain(String field, JsonNode node, Class<?> type) {
            if (type == JsonNode.class) {
                return node;
            } else if (type == boolean.class) {
                check(node.isBoolean(), field, "has to be true or false");
                return node.booleanValue();
            } else if (type.isPrimitive()) {
                boolean whole = type == int.class;
                check(whole ? node.isIntegralNumber() && node.canConvertToInt() : node.isNumber(), field,
                        "has to be a number");
                return whole ? (Object) node.intValue() : node.doubleValue();
            }
            check(node.isTextual(), field, "has to be text");
            try {
                return fromText(field, node.textValue(), type);
            } catch (IllegalArgumentException e) {
                throw new Problem(place(field) + (type == Pattern.class ? " is no pattern: " : " ")
                        + safe(e.getMessage(), 200));
            }
        }

        private Object fromText(String field, String text, Class<?> type) {
            if (type == Duration.class) {
                return Durations.parse(text);
            } else if (type == Pattern.class) {
                return Pattern.compile(text);
            } else if (type == Template.class) {
                Template template = new Template(place(field), text);
                return team ? template.parsed() : template;
            }
            return type.isEnum() ? constant(text, type) : text;
        }

        private static Object constant(String text, Class<?> type) {
            Map<String, Object> known = new LinkedHashMap<>();
            Stream.of(type.getEnumConstants())
                    .forEach(one -> known.put(one.toString().toLowerCase(Locale.ROOT).replace('_', '-'), one));
            return Optional.ofNullable(known.get(text.toLowerCase(Locale.ROOT).replace('_', '-'))).orElseThrow(() ->
                    new IllegalArgumentException("is " + safe(text, 40) + Nearest.hint(text, known.keySet())));
        }
    }

    /**
     * Times as people say them: {@code 10:12}, {@code 10 min ago}, {@code 2026-11-23 10:12}, ISO 8601. What has no
     * offset is UTC, like everything in an incident.
     */
    public static final class Moment {
        private static final Pattern AGO = Pattern.compile("(?i)(\\d.{0,40}?)\\s+ago");
        private static final Pattern UNIT =
                Pattern.compile("\\s*(?:(d)ays?|(h)(?:ou)?rs?|(m)in(?:ute)?s?|(s)ec(?:ond)?s?|(?=[dhms]))");
        private static final Pattern CLOCK = Pattern.compile("(?i)(\\d{1,2}:\\d{2}(?::\\d{2})?)\\s*(?:Z|UTC)?");
        private static final Duration BEFORE_THE_INCIDENT = Duration.ofHours(12);
        private static final Duration LONG_AGO = Duration.ofDays(2);
        // Strict: otherwise 30 February is the 28th.
        private static final DateTimeFormatter LOCAL =
                DateTimeFormatter.ofPattern("uuuu-MM-dd H:mm[:ss]").withResolverStyle(ResolverStyle.STRICT);

        private Moment() { }

        /**
         * Reads a time that somebody gave for an {@code option}; none in the future. Where it is known when the
         * incident began, a bare {@code 23:50} said after midnight is yesterday's, and one said days later is of the
         * day on which the incident began.
         */
        public static Instant past(String option, String text, Instant now, Optional<Instant> began) {
            String given = option + " \"" + safe(text, 40) + "\" ";
            Instant at;
            try {
                at = read(text.strip(), now, began);
            } catch (DateTimeException | ArithmeticException | IllegalArgumentException e) {
                throw new Problem(given + "is no time: write 10:12, \"10 min ago\", \"2026-11-23 10:12\" or"
                        + " 2026-11-23T10:12:00Z (UTC)");
            }
            if (at.isAfter(now)) {
                String today = now.toString().substring(0, 16);
                throw new Problem(given + "is in the future: it is " + today + "Z now (times are UTC)");
            }
            return at;
        }

        private static Instant read(String text, Instant now, Optional<Instant> began) {
            Matcher ago = AGO.matcher(text);
            Matcher clock = CLOCK.matcher(text);
            if (text.equalsIgnoreCase("now")) {
                return now;
            } else if (ago.matches()) {
                String words = ago.group(1).toLowerCase(Locale.ROOT);
                return now.minus(Durations.parse(UNIT.matcher(words).replaceAll("$1$2$3$4")));
            } else if (clock.matches()) {
                String time = clock.group(1);
                return onClock(LocalTime.parse(time.length() % 3 == 1 ? "0" + time : time), now, began);
            }
            try {
                return OffsetDateTime.parse(text).toInstant();
            } catch (DateTimeException withoutOffset) {
                String local = text.replaceFirst("T(?=\\d)", " ").replaceFirst("\\s*(Z|UTC)$", "");
                return LocalDateTime.parse(local, LOCAL).toInstant(ZoneOffset.UTC);
            }
        }

        private static Instant onClock(LocalTime clock, Instant now, Optional<Instant> began) {
            boolean longAgo = began.isPresent() && began.get().isBefore(now.minus(LONG_AGO));
            Instant first = began.map(start -> start.minus(BEFORE_THE_INCIDENT)).orElse(now);
            Instant at = LocalDate.ofInstant(longAgo ? first : now, ZoneOffset.UTC).atTime(clock)
                    .toInstant(ZoneOffset.UTC);
            Instant dayBefore = at.minus(Duration.ofDays(1));
            if (longAgo) {
                return at.isBefore(first) ? at.plus(Duration.ofDays(1)) : at;
            }
            return at.isAfter(now) && dayBefore.isAfter(first) ? dayBefore : at;
        }
    }
}
