// Package fused makes gorgonia carry transformers: gorgonia is the graph, the automatic differentiation and the tape machine; the
// arithmetic of every operation is one of ours, over package kernels. It is the only package that knows gorgonia.
//
// A [Graph] is built once by calling its operations in order ([Graph.Embed], [Graph.Linear], [Graph.Attention], …), each of which takes and
// gives a [Tensor], and is closed by [Graph.Differentiate] or [Graph.Compile]. [Graph.Run] then executes it for a [Batch]:
//
//	Batch ─► Embed ─► [Linear ─► Attention ─► Linear ─► AddDropoutNorm ─► …] ─► Gather ─► … ─► CrossEntropy ─► loss
//	gradients go back along the same chain: those of parameters into params.Param.Grad, those of activations from node to node
//
// # Rows
//
// Sequences lie one after another without padding. The number of tokens, and of rows with a label, changes with every batch, while shapes
// in gorgonia are fixed. So a value in the graph is a buffer of capacity × width, where an operation reads the true number of rows
// from the batch and touches no others. Buffers belong to the operations, are bound once and grow when a batch is larger than any before:
// a step allocates no tensors.
//
// # How an operation is differentiated
//
// The backward operation of a node computes the gradients of all its inputs at once. Its value is the gradient of the activation that
// came in; gradients of parameters it adds to params.Param.Grad, which nodes named "view" show to gorgonia. A parameter enters the graph
// anew, as a node of its own bound to the same memory, each time it is used: tied weights need no addition of gradients.
//
// # What gorgonia does that this relies on
//
// Nodes with equal hashes are one node, so each operation hashes a number of its own; the tape runs every node once, children first, in the same
// order each time; the gradients of a value used twice are summed by gorgonia's own Add; Reset forgets registers but not bindings. The
// canary tests hold it to that. Its own operations are not used: the gradients of several are wrong.
package fused
