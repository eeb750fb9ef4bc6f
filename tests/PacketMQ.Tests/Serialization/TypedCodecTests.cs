using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

public sealed class TypedCodecTests
{
    [Fact]
    public void A_record_is_a_map_with_the_names_as_declared()
    {
        const string Expected = "84a15801a15902a55370656564cb3fe0000000000000a25570c3";
        Assert.Equal(Expected, Payload.Hex(Payload.WriteTyped(new Position(1, 2, 0.5, true))));
        Assert.Equal(new Position(1, 2, 0.5, true), Payload.ReadTyped<Position>(Expected));
    }

    [Fact]
    public void Nested_records_collections_enums_and_nullables_come_back()
    {
        var friend = new Player("Eve", 1, default);
        var player = new Player("Åsa", 7, new Position(1, 2, 3, false))
        {
            Title = null,
            Tags = ["a", "b"],
            Scores = new() { ["x"] = long.MaxValue },
            Avatar = [1, 2],
            Color = Color.Green,
            Since = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc),
            Friend = friend,
        };

        byte[] bytes = Payload.WriteTyped(player);
        for (int length = 1; length < 20; length++)
        {
            Player read = TypedCodec<Player>.Create().Read(Payload.InSegments(bytes, length), hasBinaryKeys: false);
            Assert.Equivalent(player, read, strict: true);
        }
    }

    [Fact]
    public void A_class_comes_back()
    {
        Settings read = Payload.ReadTyped<Settings>(Payload.WriteTyped(new Settings { Name = "n", Values = [1, 300], Ratio = 0.5 }));
        Assert.Equal("n", read.Name);
        Assert.Equal([1, 300], read.Values);
        Assert.Equal(0.5, read.Ratio);
    }

    [Fact]
    public void Plain_types_need_no_attribute()
    {
        Assert.Equal("x", Payload.ReadTyped<string>(Payload.WriteTyped("x")));
        Assert.True(Payload.ReadTyped<bool>(Payload.WriteTyped(true)));
        Assert.Equal(-5, Payload.ReadTyped<int>(Payload.WriteTyped(-5)));
        Assert.Equal(5L, Payload.ReadTyped<long>(Payload.WriteTyped(5L)));
        Assert.Equal(0.1, Payload.ReadTyped<double>(Payload.WriteTyped(0.1)));
        Assert.Equal([1, 2], Payload.ReadTyped<byte[]>(Payload.WriteTyped(new byte[] { 1, 2 })));
        Assert.Equal([1, 2], Payload.ReadTyped<ReadOnlyMemory<byte>>(Payload.WriteTyped<ReadOnlyMemory<byte>>(new byte[] { 1, 2 })).ToArray());
        Assert.Null(Payload.ReadTyped<ReadOnlyMemory<byte>?>(Payload.WriteTyped<ReadOnlyMemory<byte>?>(null)));
        Assert.Equal(["a"], Payload.ReadTyped<string[]>(Payload.WriteTyped<string[]>(["a"])));
        Assert.Equal(["a"], Payload.ReadTyped<List<string>>(Payload.WriteTyped<List<string>>(["a"])));
        Assert.Equal("b", Payload.ReadTyped<Dictionary<string, string>>(Payload.WriteTyped(new Dictionary<string, string> { ["a"] = "b" }))["a"]);
        Assert.Equal("c4020102", Payload.Hex(Payload.WriteTyped(new byte[] { 1, 2 })));
        Assert.Equal("a178", Payload.Hex(Payload.WriteTyped("x")));
    }

    [Fact]
    public void A_type_without_a_shape_is_told_what_to_do()
    {
        NotSupportedException e = Assert.Throws<NotSupportedException>(TypedCodec<Shapeless>.Create);
        Assert.Contains("PacketMQ.Tests.Serialization.Shapeless", e.Message);
        Assert.Contains("[GenerateShape]", e.Message);
    }

    [Fact]
    public void A_member_declared_as_object_holds_a_dynamic_value()
    {
        var value = new Loose(new object?[] { 1L, "x", new byte[] { 1 } }, new() { ["a"] = null, ["b"] = new Dictionary<object, object?> { [1L] = 2L } });
        Loose read = Payload.ReadTyped<Loose>(Payload.WriteTyped(value));
        Assert.Equal(value.Value, read.Value);
        Assert.Null(read.More!["a"]);
        Assert.Equal(2L, Assert.IsAssignableFrom<PacketMap>(read.More["b"])[1]);
    }

    [Fact]
    public void A_dynamic_member_is_as_strict_as_a_dynamic_payload()
    {
        PayloadException e = Assert.Throws<PayloadException>(() => Payload.ReadTyped<Loose>("82a556616c7565 820102 0103 a44d6f7265c0"));
        Assert.Equal(CloseReason.DuplicateKey, e.Reason);
        Assert.Contains("Loose", e.Message);
        Assert.Contains("the key 1 twice", e.Message);
        PacketException refused = Assert.Throws<PacketException>(() => Payload.WriteTyped(new Loose(new object?[] { 1m }, null)));
        Assert.StartsWith("A PacketMQ.Tests.Serialization.Loose can't be encoded: ", refused.Message);
        Assert.Contains("A value of the type System.Decimal can't be sent at [0]", refused.Message);
    }

    [Fact]
    public void An_extension_is_an_extension_in_a_record_too()
    {
        var value = new Extended(new PacketExtension(5, new byte[] { 1 }), null);
        Assert.Equal("82a9457874656e73696f6ed40501a84f7074696f6e616cc0", Payload.Hex(Payload.WriteTyped(value)));
        Assert.Equal(value, Payload.ReadTyped<Extended>(Payload.WriteTyped(value)));
        Assert.Contains("4, 8 or 12", Assert.Throws<PacketException>(() => Payload.WriteTyped(new Extended(new PacketExtension(-1, default), null))).Message);
        Payload.AssertMismatch<Extended>("82a9457874656e73696f6e01a84f7074696f6e616cc0", "Extended");
    }

    [Fact]
    public void Types_of_the_serializer_that_are_unsafe_here_are_refused_with_what_to_take()
    {
        Payload.AssertMismatch<Foreign>("82a9457874656e73696f6ed40501a556616c756501", "declare the member as PacketExtension");
        Payload.AssertMismatch<Foreign>("82a556616c756501a9457874656e73696f6ed40501", "declare the member as object");
        Assert.Contains("PacketExtension", Assert.Throws<PacketException>(() => Payload.WriteTyped(new Foreign(default, default))).Message);
    }

    [Fact]
    public void Unknown_fields_are_skipped() => Assert.Equal(
        new Position(1, 2, 0.5, true),
        Payload.ReadTyped<Position>("86 a3666f6f 93 01 a178 8101c0 a15801a15902a55370656564cb3fe0000000000000a25570c3 a3626172 c70564a3666f6f01"));

    [Fact]
    public void Missing_and_null_fields_are_mismatches()
    {
        Payload.AssertMismatch<Player>("80", "Name");
        Payload.AssertMismatch<Settings>("81a44e616d65c0", "Name");
    }

    [Fact]
    public void Nil_is_no_value_unless_the_struct_is_nullable()
    {
        Payload.AssertMismatch<string>("c0", "nil where a System.String");
        Payload.AssertMismatch<Player>("c0", "nil");
        Payload.AssertMismatch<Position>("c0", "nil");
        Payload.AssertMismatch<int>("c0", "nil");
        Assert.Contains("Null can't be sent", Assert.Throws<PacketException>(() => Payload.WriteTyped<string>(null!)).Message);
    }

    [Fact]
    public void Bytes_after_the_value_are_a_mismatch() => Payload.AssertMismatch<int>("0102", "ends at byte 1 of the payload's 2");

    [Fact]
    public void What_a_constructor_throws_is_the_payloads_fault()
    {
        PayloadException e = Payload.AssertMismatch<Strict>("81a750657263656e7465", "Percent \\x1b must be 0 to 100.");
        Assert.IsType<ArgumentException>(e.GetBaseException());
    }

    [Fact]
    public void What_a_getter_throws_is_the_callers_fault()
    {
        PacketException e = Assert.Throws<PacketException>(() => Payload.WriteTyped(new Flaky()));
        Assert.StartsWith("A PacketMQ.Tests.Serialization.Flaky can't be encoded: ", e.Message);
        Assert.EndsWith("The text is gone.", e.Message);
    }

    [Fact]
    public void Half_of_a_surrogate_pair_is_not_replaced_in_silence()
        => Assert.Contains("surrogate", Assert.Throws<PacketException>(() => Payload.WriteTyped("\udc00")).Message);

    [Fact]
    public void Depth_is_bounded_in_both_directions()
    {
        Chained? chain = null;
        for (int i = 0; i < 65; i++)
            chain = new Chained(chain, 1);
        Assert.Contains("depth", Assert.Throws<PacketException>(() => Payload.WriteTyped(chain)).Message);
        byte[] deep = [.. Enumerable.Repeat(Payload.Bytes("82a64e756d62657201a44e657874"), 65).SelectMany(bytes => bytes), 0xc0];
        Assert.Contains("depth", Assert.Throws<PayloadException>(() => Payload.ReadTyped<Chained>(deep)).Message);
        Assert.NotNull(Payload.ReadTyped<Chained>(Payload.WriteTyped(chain!.Next)));
    }

    [Fact]
    public void A_payload_that_is_read_while_another_one_is_has_an_allowance_of_its_own()
    {
        object?[] much = [.. Enumerable.Range(0, 1_200).Select(i => (object?)(i + 0.5))]; // 38 KB as objects, and 64 KiB are allowed
        byte[] letter = Payload.WriteTyped(new Loose(much, null));

        Envelope one = Read(new UnreadEnvelope(much, letter, null));
        Assert.Equal(much, one.Before);
        Assert.Equal(much, one.Read!.Value);
        Assert.Equal(much, Read(new UnreadEnvelope(null, letter, much)).After);
        PayloadException refused = Assert.Throws<PayloadException>(() => Read(new UnreadEnvelope(much, letter, much)));
        Assert.Equal(CloseReason.TooManyItems, refused.Reason);
        Assert.Equal(much, Read(new UnreadEnvelope(much, letter, null)).Before); // and the next one begins anew

        static Envelope Read(UnreadEnvelope envelope)
            => TypedCodec<Envelope>.Create().Read(Payload.Whole(Payload.WriteTyped(envelope)), hasBinaryKeys: false, maxExpansion: 0);
    }
}
