//go:build !linux

package wordcache

func adviseHuge([]byte) {}
