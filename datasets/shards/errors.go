package shards

import "errors"

// ErrCorrupt marks errors about content that no writer of this package makes: a damaged or hostile file.
var ErrCorrupt = errors.New("the file is damaged: restore it, or build the dataset again")
