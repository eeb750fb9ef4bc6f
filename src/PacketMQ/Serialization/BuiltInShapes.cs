using PolyType;

namespace PacketMQ.Serialization;

/// <summary>The shapes of the plain types that a packet may carry without a type of its own.</summary>
[GenerateShapeFor<string>]
[GenerateShapeFor<bool>]
[GenerateShapeFor<int>]
[GenerateShapeFor<long>]
[GenerateShapeFor<double>]
[GenerateShapeFor<byte[]>]
[GenerateShapeFor<ReadOnlyMemory<byte>>]
[GenerateShapeFor<ReadOnlyMemory<byte>?>]
[GenerateShapeFor<string[]>]
[GenerateShapeFor<List<string>>]
[GenerateShapeFor<Dictionary<string, string>>]
internal sealed partial class BuiltInShapes;
