package schemas

import (
	"cmp"
	"fmt"
	"slices"
)

// FileLedger accounts for one input file, or for the part of it that one commit covers. Records and bytes are balanced apart.
type FileLedger struct {
	File        int32       `json:"file"`
	Read        int64       `json:"read"` // records counted by the reader, at the end of each split
	Kept        int64       `json:"kept"`
	Dropped     []DropCount `json:"dropped,omitempty"` // sorted by stage, reason
	Quarantined int64       `json:"quarantined"`

	LengthBytes     int64 `json:"length_bytes"` // decompressed length counted by the decompressor, at the end of each split
	RecordBytes     int64 `json:"record_bytes"`
	SeparatorBytes  int64 `json:"separator_bytes"`
	UnreadableBytes int64 `json:"unreadable_bytes"`
}

// DropCount is the number of rows that a stage dropped for a reason.
type DropCount struct {
	Stage  uint16 `json:"stage"`
	Reason uint16 `json:"reason"`
	Count  int64  `json:"count"`
}

// Add puts the numbers of o, of the same file, on top of l.
func (l *FileLedger) Add(o *FileLedger) {
	l.Read += o.Read
	l.Kept += o.Kept
	l.Quarantined += o.Quarantined
	l.LengthBytes += o.LengthBytes
	l.RecordBytes += o.RecordBytes
	l.SeparatorBytes += o.SeparatorBytes
	l.UnreadableBytes += o.UnreadableBytes
	for _, d := range o.Dropped {
		l.Drop(d.Stage, d.Reason, d.Count)
	}
}

// Drop counts n rows dropped by a stage for a reason.
func (l *FileLedger) Drop(stage, reason uint16, n int64) {
	i, found := slices.BinarySearchFunc(l.Dropped, DropCount{Stage: stage, Reason: reason}, compareDrops)
	if !found {
		l.Dropped = slices.Insert(l.Dropped, i, DropCount{Stage: stage, Reason: reason})
	}
	l.Dropped[i].Count += n
}

func compareDrops(a, b DropCount) int {
	return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
}

// DroppedTotal is the number of rows dropped, whatever the reason.
func (l *FileLedger) DroppedTotal() int64 {
	var n int64
	for _, d := range l.Dropped {
		n += d.Count
	}
	return n
}

// Balance returns an error that gives both sides if a complete file does not balance: every record must be kept, dropped or
// quarantined, and every byte must belong to a record, a separator or an unreadable range.
func (l *FileLedger) Balance() error {
	if out := l.Kept + l.DroppedTotal() + l.Quarantined; l.Read != out {
		return fmt.Errorf("%d records read, but %d kept + %d dropped + %d quarantined = %d",
			l.Read, l.Kept, l.DroppedTotal(), l.Quarantined, out)
	}
	if sum := l.RecordBytes + l.SeparatorBytes + l.UnreadableBytes; l.LengthBytes != sum {
		return fmt.Errorf("%d bytes read, but records %d + separators %d + unreadable %d = %d",
			l.LengthBytes, l.RecordBytes, l.SeparatorBytes, l.UnreadableBytes, sum)
	}
	return nil
}

// Quarantined is one record that could not be read or processed.
type Quarantined struct {
	File   int32  `json:"file"`
	Offset int64  `json:"offset"` // of the record in the decompressed file
	Record int64  `json:"record"` // its number in its split
	Split  int32  `json:"split"`
	Bytes  int64  `json:"bytes"` // its length
	Stage  uint16 `json:"stage"`
	Reason uint16 `json:"reason"`
	Detail string `json:"detail,omitempty"`
}
