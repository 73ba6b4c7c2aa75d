package runbook.rotation;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.Optional;
import runbook.Text.Json;

/** A string field at the top of a JSON secret: read, and replaced with every other character left as it is. */
final class JsonField {
    /** Where the value's token begins and ends, quotes included. */
    private record Span(String value, int begin, int end) { }

    private JsonField() { }

    static Optional<String> value(String document, String field) {
        return find(document, field).map(Span::value);
    }

    /** The document with another value; empty where it has no such field. */
    static Optional<String> replaced(String document, String field, String value) {
        return find(document, field).map(span ->
                document.substring(0, span.begin) + Json.line(Json.of(value)) + document.substring(span.end));
    }

    private static Optional<Span> find(String document, String field) {
        try (JsonParser parser = new JsonFactory().createParser(document.toCharArray())) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return Optional.empty();
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken token = parser.nextToken();
                if (name.equals(field)) {
                    return token == JsonToken.VALUE_STRING ? Optional.of(span(parser)) : Optional.empty();
                }
                parser.skipChildren();
            }
        } catch (IOException e) {
            // No JSON: it has no field either.
        }
        return Optional.empty();
    }

    private static Span span(JsonParser parser) throws IOException {
        int begin = (int) parser.currentTokenLocation().getCharOffset();
        String value = parser.getText();
        return new Span(value, begin, (int) parser.currentLocation().getCharOffset());
    }
}
