package runbook;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** The one JSON mapper, and trees made from plain maps. */
public final class Json {
    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET)
            .build();

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

    /** Reads something, so that the next reading is faster: see {@link runbook.Checks#prepare}. */
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
     * anything else (instants, enums, addresses) by its {@code toString()}. Fields stand in the map's order where it has
     * one, or else by name: {@code Map.of} has another with each start.
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
        return map instanceof LinkedHashMap || map instanceof SortedMap || map instanceof EnumMap ? map : new TreeMap<>(map);
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
}
