using System.IO.Pipelines;

namespace PacketMQ.Tests.Support;

/// <summary>A transport of any reader and any writer.</summary>
internal sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;
