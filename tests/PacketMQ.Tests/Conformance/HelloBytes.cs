namespace PacketMQ.Tests.Conformance;

/// <summary>The first words of TLS, made by hand, so that they can be wrong: RFC 8446 and RFC 5246, 7.4.1.</summary>
internal static class HelloBytes
{
    private const int MostInARecord = 16 * 1024;

    private const int ClientHello = 1;
    private const int ServerHello = 2;
    private const int ServerHelloDone = 14;

    // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; TLS_DH_anon_WITH_AES_128_CBC_SHA.
    private static readonly byte[] Suite = [0xc0, 0x2b];
    private static readonly byte[] SuiteWithoutCertificates = [0x00, 0x34];

    // supported_groups and signature_algorithms: what the suite needs.
    private static readonly byte[] Offers = [0, 18, 0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x17, 0x00, 0x0d, 0, 6, 0, 4, 0x04, 0x03, 0x08, 0x04];

    // renegotiation_info: nothing is renegotiated.
    private static readonly byte[] Extensions = [0, 5, 0xff, 0x01, 0, 1, 0];

    /// <summary>A client's, with this version. In 1.2 it is a good one.</summary>
    public static byte[] OfClient(int version) => Record(Message(ClientHello, [.. Version(version), .. new byte[32], 0, 0, 2, .. Suite, 1, 0, .. Offers]));

    /// <summary>A server's, which chooses this version. In 1.2 it is a good one.</summary>
    public static byte[] OfServer(int version) => Record(OfServer(version, Suite));

    /// <summary>A server's that leaves its certificate out: in a suite without any, or against the rules.</summary>
    public static byte[] OfServerWithoutCertificate(bool isAnonymous)
        => Record([.. OfServer(0x0303, isAnonymous ? SuiteWithoutCertificates : Suite), .. Message(ServerHelloDone, [])]);

    /// <summary>The first hello to this side, or as much as this of one that declares 16 MiB.</summary>
    public static byte[] Long(Side to, int count)
    {
        byte[] message = new byte[count];
        (message[0], message[1]) = (to == Side.Server ? (byte)ClientHello : (byte)ServerHello, 0xff);
        return [.. message.Chunk(MostInARecord).SelectMany(Record)];
    }

    /// <summary>One of so many bytes, all of which come, whose content is nonsense.</summary>
    public static byte[] Whole(Side to, int count)
    {
        byte[] message = new byte[count];
        message[0] = to == Side.Server ? (byte)ClientHello : (byte)ServerHello;
        (message[1], message[2], message[3]) = ((byte)((count - 4) >> 16), (byte)((count - 4) >> 8), (byte)(count - 4));
        return [.. message.Chunk(MostInARecord).SelectMany(Record)];
    }

    private static byte[] OfServer(int version, byte[] suite)
        => Message(ServerHello, [.. Version(version), .. new byte[32], 0, .. suite, 0, .. Extensions]);

    private static byte[] Message(int type, byte[] body) => [(byte)type, 0, (byte)(body.Length >> 8), (byte)body.Length, .. body];

    private static byte[] Record(byte[] messages) => [0x16, .. Version(0x0301), (byte)(messages.Length >> 8), (byte)messages.Length, .. messages];

    private static byte[] Version(int version) => [(byte)(version >> 8), (byte)version];
}
