namespace PacketMQ.Tests.Connections.Life;

/// <summary>
/// One end of a connection as the documentation describes it (docs/closing-and-errors.md), without threads, time and bytes: what arrives is
/// handled in order, the first cause of an end wins, connection lost comes once and last, and then the farewell. Also stands for a stranger,
/// who only says what the test tells it to, and ends its stream when the other side has.
/// </summary>
internal sealed class ModelEnd(string name, bool isStranger)
{
    public static readonly CloseReason HandlerReason = "reason.handler";

    private readonly List<Arrival> _inbox = []; // while code of the application runs
    private Farewell _farewell;
    private ConnectionState _state;
    private bool _isCut;
    private bool _isTold;

    private enum Farewell
    {
        Cut,
        Finish,
        SoftQuit,
    }

    public bool IsStranger => isStranger;

    public ModelEnd Other { get; private set; } = null!;

    public ConnectionState State => Ending is not null && _state < ConnectionState.Closing ? ConnectionState.Closing : _state;

    /// <summary>Once it is decided.</summary>
    public Ending? Ending { get; private set; }

    /// <summary>Code of the application runs until <see cref="Release"/>.</summary>
    public bool IsHeld { get; private set; }

    /// <summary>The callback of connection made, or of connection lost, does not return before <see cref="Release"/>.</summary>
    public bool HoldsMade { get; set; }

    public bool HoldsLost { get; set; }

    /// <summary>It was cut off while code of the application ran: how much of what has arrived it still sees is not said.</summary>
    public bool IsUncertain { get; private set; }

    /// <summary>The transport was cut, by either side.</summary>
    public bool IsCutOff => _isCut;

    public bool HasSaidFarewell { get; private set; }

    /// <summary>What the application, or the stranger, has seen.</summary>
    public List<string> Log { get; } = [];

    public static (ModelEnd One, ModelEnd Other) Connect(ModelEnd one, ModelEnd other)
    {
        (one.Other, other.Other) = (other, one);
        return (one, other);
    }

    public override string ToString()
        => $"{name}: {State}{(IsHeld ? ", held" : "")}{(Ending is { } ending ? $", {ending}" : "")} [{string.Join(", ", Log)}]";

    /// <summary>The handshake is through.</summary>
    public void Activate()
    {
        _state = ConnectionState.Active;
        Log.Add("made");
        IsHeld = HoldsMade;
    }

    public Outcome Send(long number, Wish wish)
    {
        if (_state == ConnectionState.Handshaking)
            return Outcome.TooEarly;
        if (State == ConnectionState.Closed)
            return Outcome.Ended;
        if (HasSaidFarewell || _isCut)
            return Outcome.DoneOrEnded;
        Other.Take(new Arrival.Packet(number, wish));
        return Outcome.Done;
    }

    /// <summary>A send that was allowed to come too late for the farewell, and did not.</summary>
    public void SentBeforeFarewell(long number, Wish wish)
    {
        int farewell = Other._inbox.FindIndex(arrival => arrival is Arrival.SoftQuit or Arrival.End);
        if (farewell >= 0)
            Other._inbox.Insert(farewell, new Arrival.Packet(number, wish));
    }

    public void SoftQuit(CloseReason reason)
    {
        Decide(new(reason, CloseInitiator.Local), Farewell.SoftQuit);
        Go();
    }

    public void Abort()
    {
        if (State == ConnectionState.Closed)
            return;
        Decide(new(CloseReason.Aborted, CloseInitiator.Local), Farewell.Cut);
        Cut();
        Go();
    }

    public void Release()
    {
        IsHeld = false;
        Go();
    }

    /// <summary>Only a stranger says things one by one.</summary>
    public void Say(Arrival arrival)
    {
        HasSaidFarewell |= arrival is Arrival.End;
        Other.Take(arrival);
        Other.Go();
    }

    /// <summary>The transport fails for the other side.</summary>
    public void Cut()
    {
        if (_isCut)
            return;
        _isCut = Other._isCut = true;
        Other.IsUncertain = Other is { Ending: null, IsHeld: true, IsStranger: false };
        if (!Other.IsUncertain)
            Other.Go();
    }

    /// <summary>What it may see after it was cut off: some of what had arrived, and one of these ends.</summary>
    public (List<string> Packets, List<Ending> Endings) Possible()
    {
        List<string> packets = [];
        List<Ending> endings = [Life.Ending.Reset];
        foreach (Arrival arrival in _inbox)
        {
            if (arrival is Arrival.Packet packet)
                packets.Add(Got(packet));
            if (EndOf(arrival) is { } end)
                endings.Add(end.Ending);
            if (arrival is not Arrival.Packet { Wish: Wish.None or Wish.Hold })
                break;
        }

        return (packets, endings);
    }

    /// <summary>What it did see.</summary>
    public void Resolve(IEnumerable<string> log, Ending ending)
    {
        IsUncertain = false;
        IsHeld = false;
        Log.Clear();
        Log.AddRange(log);
        (Ending, _state, _isTold, HasSaidFarewell) = (ending, ConnectionState.Closed, true, true);
    }

    private static string Got(Arrival.Packet packet) => $"got {packet.Number}";

    private static (Ending Ending, Farewell Farewell)? EndOf(Arrival arrival) => arrival switch
    {
        Arrival.Packet { Wish: Wish.Quit } => (new(HandlerReason, CloseInitiator.Local), Farewell.SoftQuit),
        Arrival.Packet { Wish: Wish.Abort } => (new(CloseReason.Aborted, CloseInitiator.Local), Farewell.Cut),
        Arrival.SoftQuit quit => (new(quit.Reason, CloseInitiator.Remote), Farewell.Finish),
        Arrival.BadFrame => (new(CloseReason.FrameTooSmall, CloseInitiator.Local), Farewell.SoftQuit),
        Arrival.End { IsInsideFrame: true } => (new(CloseReason.TruncatedFrame, CloseInitiator.Remote), Farewell.Finish),
        Arrival.End => (new(CloseReason.Disconnected, CloseInitiator.Remote), Farewell.Finish),
        _ => null,
    };

    private void Take(Arrival arrival)
    {
        if (IsStranger)
        {
            if (arrival is Arrival.Packet packet)
                Log.Add(Got(packet));
            else if (arrival is Arrival.SoftQuit quit)
                Log.Add($"told {quit.Reason}");
            HasSaidFarewell |= arrival is Arrival.End;
        }
        else if (Ending is null && !IsUncertain)
        {
            _inbox.Add(arrival);
            Go();
        }
    }

    private void Handle(Arrival arrival)
    {
        if (arrival is Arrival.Handshake)
            Activate();
        if (arrival is Arrival.Packet packet)
        {
            Log.Add(Got(packet));
            IsHeld = packet.Wish == Wish.Hold;
        }

        if (EndOf(arrival) is not { } end)
            return;
        Decide(end.Ending, end.Farewell);
        if (arrival is Arrival.Packet { Wish: Wish.Abort })
            Cut();
    }

    private void Decide(Ending ending, Farewell farewell)
    {
        if (Ending is not null)
            return;
        (Ending, _farewell) = (ending, farewell);
    }

    // As far as it can, until code of the application holds it, or there is nothing to do.
    private void Go()
    {
        while (!IsStranger && !IsHeld && !IsUncertain && State != ConnectionState.Closed)
        {
            if (Ending is null && _inbox.Count > 0)
            {
                Arrival next = _inbox[0];
                _inbox.RemoveAt(0);
                Handle(next);
            }
            else if (Ending is null && _isCut)
            {
                Decide(Life.Ending.Reset, Farewell.Cut);
            }
            else if (Ending is null)
            {
                return;
            }
            else if (!_isTold)
            {
                _isTold = true;
                _inbox.Clear();
                bool wasMade = _state == ConnectionState.Active;
                _state = ConnectionState.Closing;
                Log.Add($"{(wasMade ? "lost" : "refused")} {Ending}");
                IsHeld = wasMade && HoldsLost;
            }
            else if (!HasSaidFarewell)
            {
                SayFarewell();
            }
            else if (_isCut || Other.HasSaidFarewell)
            {
                _state = ConnectionState.Closed;
            }
            else
            {
                return;
            }
        }
    }

    private void SayFarewell()
    {
        HasSaidFarewell = true;
        if (_farewell == Farewell.Cut)
        {
            Cut();
        }
        else if (!_isCut)
        {
            if (_farewell == Farewell.SoftQuit)
                Other.Take(new Arrival.SoftQuit(Ending!.Value.Reason));
            Other.Take(new Arrival.End(IsInsideFrame: false));
            Other.Go();
        }
    }
}
