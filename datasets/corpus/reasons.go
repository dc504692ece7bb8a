package corpus

// Version of the reader: raised when the same files give other rows.
const Version = 2

// Reasons for which the reader quarantines a record. A schemas.Verdict of stage 0 refers to them by index.
var Reasons = []string{
	invalidJSON:     "invalid-json",
	tooDeep:         "json-too-deep",
	notAnObject:     "not-an-object",
	missingText:     "missing-text",
	nullText:        "null-text",
	textNotString:   "text-not-a-string",
	unusableID:      "unusable-id",
	invalidUTF8:     "invalid-utf8",
	nulCharacter:    "nul-character",
	loneSurrogate:   "lone-surrogate",
	tooLarge:        "record-too-large",
	corrupt:         "corrupt-compression",
	readError:       "read-error",
	invalidEncoding: "invalid-encoding",
}

// reason is an index into Reasons.
type reason uint16

const (
	invalidJSON     reason = iota // a line that is cut or no JSON
	tooDeep                       // arrays and objects inside one another more than maxDepth times
	notAnObject                   // a line that holds another JSON value
	missingText                   // an object without the text field
	nullText                      // the text is null
	textNotString                 // the text is another JSON value
	unusableID                    // the id is neither string, number nor null, or longer than maxIDBytes
	invalidUTF8                   // anywhere in the record
	nulCharacter                  // in text or id, plain or escaped
	loneSurrogate                 // half of a surrogate pair, escaped, in text or id
	tooLarge                      // more than Source.MaxRecordBytes
	corrupt                       // compressed data that is cut or fails a check: the rest of the file
	readError                     // the storage does not deliver: the rest of the split
	invalidEncoding               // an HTML page that is neither UTF-8 nor what its encoding allows
)
