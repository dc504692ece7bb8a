package shards

import (
	"errors"
	"io/fs"
)

// ErrCorrupt marks errors about content that no writer of this package makes: a damaged or hostile file.
var ErrCorrupt = errors.New("the file is damaged: restore it, or build the dataset again")

// cause is what the system says of a file, without the name of the call and the path, which messages give in their own words.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
