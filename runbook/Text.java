package runbook;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.lang.reflect.*;
import java.nio.charset.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Message.Template;
import runbook.Settings.Problem;

/** Text from outside, made fit to print: it can neither move the cursor nor carry a Klaviyo private key. */
public final class Text {
    // Cc: controls (ESC among them); Cf: bidirectional overrides and zero-width marks; Zl, Zp: line separators.
    private static final Pattern UNSAFE = Pattern.compile("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Cs}\\s]+");
    private static final int FARTHEST = 4;
    /** A word of a command line, and what of it is quoted or escaped. */
    private static final Pattern WORD = Pattern.compile("(?s)('[^']*'|\"(\\\\.|[^\"\\\\])*\"|\\\\.|[^\\s'\"\\\\])+");
    private static final Pattern QUOTED = Pattern.compile("(?s)'[^']*'|\"(?:\\\\.|[^\"\\\\])*\"|\\\\.");

    private Text() { }

    /** One printable line of at most {@code max} characters without a private key; what is cut ends in an ellipsis. */
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

    /** {@code 1 request}, {@code 3,600 requests}. */
    public static String count(long number, String noun) {
        return number(number) + " " + noun + (number == 1 ? "" : "s");
    }

    /** {@code 12}, {@code 3,600}: no formatter is loaded for a small one. */
    public static String number(long number) {
        return Math.abs(number) < 1_000 ? "" + number : String.format(Locale.ROOT, "%,d", number);
    }

    /** A text as one word of a shell's command line. */
    public static String word(String text) {
        return text.matches("[A-Za-z0-9_@%+=:,./-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
    }

    /**
     * Splits a command line that is to run without a shell: words at white space, {@code '…'} as it is, {@code "…"}
     * and anything bare with {@code \} as the escape. Nothing is expanded. A {@link Problem} names the {@code option}.
     */
    public static List<String> split(String option, String line) {
        String between = WORD.matcher(line).replaceAll("").strip();
        List<String> words = WORD.matcher(line).results().map(word -> bare(word.group())).toList();
        if (!between.isEmpty() || words.isEmpty()) {
            throw new Problem(option + (between.isEmpty() ? ": there is no command in it"
                    : ": a " + between.charAt(0) + " is never closed"));
        }
        return words;
    }

    private static String bare(String word) {
        return QUOTED.matcher(word).replaceAll(quoted -> {
            String text = quoted.group();
            String inside = text.startsWith("\\") ? text : text.substring(1, text.length() - 1);
            return Matcher.quoteReplacement(text.startsWith("'") ? inside : inside.replaceAll("(?s)\\\\(.)", "$1"));
        });
    }

    /** An enum, whose constants journal, JSON and templates have in lower case. */
    public interface Named {
        String name();

        /** {@code degraded} for {@code DEGRADED}. */
        default String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    // ---- the name that somebody probably meant

    /** What a message says of a wrong name: {@code , did you mean outage?}, or nothing where none is near. */
    static String guess(String wrong, Collection<String> names) {
        return names.stream().sorted().min(Comparator.comparingInt(name -> distance(wrong, name)))
                .filter(name -> distance(wrong, name) <= Math.min(FARTHEST, name.length() / 2))
                .map(near -> ", did you mean " + near + "?").orElse("");
    }

    /** The same, but all there are where none is near. */
    static String hint(String wrong, Collection<String> names) {
        String guess = guess(wrong, names);
        return guess.isEmpty() ? "; there are " + String.join(", ", names) : guess;
    }

    /** How many letters one of them has and the other lacks: of two that changed places, none. */
    private static int distance(String one, String other) {
        StringBuilder rest = new StringBuilder(other.toLowerCase(Locale.ROOT));
        int missing = 0;
        for (char letter : one.toLowerCase(Locale.ROOT).toCharArray()) {
            int at = rest.indexOf(String.valueOf(letter));
            missing += at < 0 ? 1 : 0;
            rest.delete(Math.max(0, at), at + 1);
        }
        return missing + rest.length();
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

    /**
     * JSON read into trees, written, and trees made from plain maps. Jackson's {@code ObjectMapper} could do that too,
     * but takes a tenth of a start and a quarter of JBang's class archive: its parser and generator do without.
     */
    public static final class Json {
        private static final JsonFactory FACTORY =
                JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

        private Json() { }

        /** The same from a text. */
        public static JsonNode read(String text) throws IOException {
            return read(text.getBytes(StandardCharsets.UTF_8));
        }

        /** Reads one document, without a field twice and nothing behind; a missing node where there is none. */
        public static JsonNode read(byte[] bytes) throws IOException {
            try (JsonParser from = FACTORY.createParser(bytes)) {
                JsonNode read = from.nextToken() == null ? MissingNode.getInstance() : node(from);
                if (from.nextToken() != null) {
                    throw new JsonParseException(from, "more stands behind its end");
                }
                return read;
            }
        }

        private static JsonNode node(JsonParser from) throws IOException {
            if (from.hasToken(JsonToken.START_OBJECT)) {
                ObjectNode object = object();
                while (from.nextValue() != JsonToken.END_OBJECT) {
                    object.set(from.currentName(), node(from));
                }
                return object;
            } else if (from.hasToken(JsonToken.START_ARRAY)) {
                ArrayNode array = JsonNodeFactory.instance.arrayNode();
                while (from.nextValue() != JsonToken.END_ARRAY) {
                    array.add(node(from));
                }
                return array;
            }
            return switch (from.currentToken()) {
                case VALUE_STRING -> of(from.getText());
                case VALUE_NUMBER_INT -> of(from.getLongValue());
                case VALUE_NUMBER_FLOAT -> of(from.getDoubleValue());
                case VALUE_TRUE, VALUE_FALSE -> of(from.getBooleanValue());
                default -> of(null);
            };
        }

        /** A value, as {@link #of} makes it a tree, on one line. */
        public static String line(Object value) {
            return written(value, false);
        }

        /** The same over many lines, for people. */
        public static String pretty(Object value) {
            return written(value, true);
        }

        private static String written(Object value, boolean pretty) {
            StringWriter text = new StringWriter();
            try (JsonParser from = of(value).traverse(); JsonGenerator to = FACTORY.createGenerator(text)) {
                from.nextToken();
                (pretty ? to.useDefaultPrettyPrinter() : to).copyCurrentStructure(from);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return text.toString();
        }

        /** An object's fields in the order written; unlike {@link Map#of} it takes nulls. */
        public static Map<String, Object> map(Object... namesAndValues) {
            Map<String, Object> map = new LinkedHashMap<>();
            for (int i = 0; i < namesAndValues.length; i += 2) {
                map.put(namesAndValues[i].toString(), namesAndValues[i + 1]);
            }
            return map;
        }

        /** An empty object to fill. */
        public static ObjectNode object() {
            return JsonNodeFactory.instance.objectNode();
        }

        /**
         * A tree of plain values; what JSON has no word for (instants, enums, addresses) by its {@code toString()}.
         * Fields stand in the map's order where it has one, or else by name: {@code Map.of} has another at each start.
         */
        public static JsonNode of(Object value) {
            JsonNodeFactory nodes = JsonNodeFactory.instance;
            if (value instanceof JsonNode node) {
                return node.isMissingNode() ? nodes.nullNode() : node;
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

        /**
         * Reads a table: an object whose fields are rows' ids. A row becomes a record (or stays a tree): its fields
         * are components by name, and one named {@code id} gets the row's id. These are texts, numbers, booleans, enums
         * (by name, whatever the case, {@code -} for {@code _}), {@link Duration}, {@link Pattern}, {@link Instant},
         * {@link JsonPointer}, trees ({@link JsonNode}), Mustache templates ({@link Template}), records, and lists and
         * maps (by name) of those. An {@link Optional} may be missing; a missing list or map is empty; anything else
         * has to be there. A record's constructor refuses what makes no sense with an {@link IllegalArgumentException},
         * whose message says what to write. What a team wrote is checked at once; of ours a row is read when it is
         * asked for, which takes less time. A {@link Problem} is one line that names file ({@code origin}), id, field.
         */
        public static <T> Map<String, T> table(String origin, byte[] file, boolean team, Class<T> type) {
            Set<Map.Entry<String, T>> rows = new LinkedHashSet<>();
            try {
                JsonNode table = read(file);
                if (!table.isObject()) {
                    throw new Problem(origin + " has to be an object: rows by id");
                }
                table.properties().forEach(row -> rows.add(new Row<>(origin, row, team, type)));
            } catch (JsonProcessingException e) {
                String line = e.getLocation() == null ? "" : " line " + e.getLocation().getLineNr();
                String said = e.getOriginalMessage().replaceFirst("(?s) \\(start marker.*", "");
                throw new Problem(origin + line + " is no JSON: " + safe(said, 200));
            } catch (IOException e) {
                throw new Problem(origin + " is no JSON: " + Incident.why(e));
            }
            rows.stream().filter(row -> team).forEach(Map.Entry::getValue);
            return new AbstractMap<>() {
                @Override
                public Set<Map.Entry<String, T>> entrySet() {
                    return Collections.unmodifiableSet(rows);
                }
            };
        }
    }

    /** A record's components and its one constructor, kept: Java reads the types out of the class each time. */
    private record Shape(List<String> names, List<Type> types, Constructor<?> canonical) {
        static Shape of(Class<?> type) {
            List<RecordComponent> all = List.of(type.getRecordComponents());
            Constructor<?> canonical = type.getDeclaredConstructors()[0];
            canonical.setAccessible(true);
            return new Shape(all.stream().map(RecordComponent::getName).toList(),
                    all.stream().map(RecordComponent::getGenericType).toList(), canonical);
        }
    }

    /** One row of a table: its id, and the record that it is read into when somebody first asks for it. */
    private static final class Row<T> extends AbstractMap.SimpleEntry<String, T> {
        private static final long serialVersionUID = 1;
        private static final Map<Class<?>, Shape> SHAPES = new ConcurrentHashMap<>();
        private static final Map<Class<?>, Function<String, Object>> TEXTS = Map.of(String.class, text -> text,
                Duration.class, Durations::parse, Pattern.class, Pattern::compile, Instant.class, Instant::parse,
                JsonPointer.class, JsonPointer::compile);
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
                setValue(type.cast(value("", row, type)));
            }
            return super.getValue();
        }

        private String place() {
            return origin + ", " + safe(getKey(), 60) + ": ";
        }

        /** Refuses a field that is not as it has to be, in a sentence that names it. */
        private void check(boolean right, String field, String what) {
            if (!right) {
                throw new Problem(place() + field + (field.isEmpty() ? "" : " ") + what);
            }
        }

        private Object record(String field, JsonNode node, Class<?> type) {
            check(node.isObject(), field, "has to be an object");
            String prefix = field.isEmpty() ? "" : field + ".";
            Shape shape = SHAPES.computeIfAbsent(type, Shape::of);
            node.fieldNames().forEachRemaining(name -> {
                if (!shape.names.contains(name)) {
                    check(false, prefix + safe(name, 40), "is no field" + hint(name, shape.names));
                }
            });
            Object[] values = new Object[shape.names.size()];
            for (int i = 0; i < values.length; i++) {
                String name = shape.names.get(i);
                boolean rowsId = name.equals("id") && node == row && !node.has("id");
                values[i] = rowsId ? getKey() : value(prefix + name, node.path(name), shape.types.get(i));
            }
            try {
                return shape.canonical.newInstance(values);
            } catch (InvocationTargetException e) {
                check(!(e.getCause() instanceof IllegalArgumentException), field, safe(e.getCause().getMessage(), 200));
                throw new IllegalStateException(e.getCause());
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }

        private Object value(String field, JsonNode node, Type type) {
            boolean missing = node.isMissingNode() || node.isNull();
            if (type instanceof Class<?> plain) {
                check(!missing, field, "is missing");
                boolean nested = plain.isRecord() && plain != Template.class;
                return nested ? record(field, node, plain) : plain(field, node, plain);
            }
            ParameterizedType generic = (ParameterizedType) type;
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
            } else if (type == int.class) {
                check(node.canConvertToInt(), field, "has to be a number");
                return node.intValue();
            } else if (type == double.class) {
                check(node.isNumber(), field, "has to be a number");
                return node.doubleValue();
            }
            check(node.isTextual(), field, "has to be text");
            String text = node.textValue();
            try {
                if (type == Template.class) {
                    Template template = new Template(place() + field, text);
                    return team ? template.parsed() : template;
                }
                return type.isEnum() ? constant(text, type) : TEXTS.get(type).apply(text);
            } catch (IllegalArgumentException | DateTimeException e) {
                check(false, field, (type == Pattern.class ? "is no pattern: " : "") + safe(e.getMessage(), 200));
                return null;
            }
        }

        private static Object constant(String text, Class<?> type) {
            Map<String, Object> known = new LinkedHashMap<>();
            Stream.of(type.getEnumConstants())
                    .forEach(one -> known.put(one.toString().toLowerCase(Locale.ROOT).replace('_', '-'), one));
            return Optional.ofNullable(known.get(text.toLowerCase(Locale.ROOT).replace('_', '-'))).orElseThrow(() ->
                    new IllegalArgumentException("is " + safe(text, 40) + hint(text, known.keySet())));
        }
    }
}
