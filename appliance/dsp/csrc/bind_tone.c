/* tone: the Python side. */

#include "binding.h"
#include "tone.h"

static const char tone_doc[] =
    "ToneSynthesiser(*, rate_hz, outputs, max_amplitude, fade_s)\n--\n\n"
    "One to four sines that never click and never exceed their limit.\n\n"
    "Args:\n"
    "    rate_hz: 192000 or 96000.\n"
    "    outputs: 1 to 8; all get the same signal.\n"
    "    max_amplitude: above 0 to 1.0 of full scale; no sample is ever further from 0.\n"
    "    fade_s: 0.05 to 60; the length of every fade and glide.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char tone_play_doc[] =
    "play($self, /, carriers_hz, amplitude)\n--\n\n"
    "Begin the transition to these carriers; none fades to silence.\n\n"
    "Carriers keep their place: the first glides from the old first one, new ones fade in, those without a\n"
    "successor fade out. Asking again for what is under way changes nothing.\n\n"
    "Args:\n"
    "    carriers_hz: up to 4 floats from 32000 to rate_hz / 2 - 1100.\n"
    "    amplitude: sum over carriers, of full scale; above max_amplitude it becomes max_amplitude.\n\n"
    "Raises:\n"
    "    ValueError: a carrier or the amplitude is out of range; nothing changed.";

static const char tone_process_into_doc[] =
    "process_into($self, /, samples)\n--\n\n"
    "Fill `samples` int32 [frames, outputs], C-contiguous, the same signal on every output.\n\n"
    "Raises:\n"
    "    TypeError: the type of the buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

static void tone_destroy(void *core)
{
    pp_tone_destroy(core);
}

static PyObject *tone_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rate_hz", "outputs", "max_amplitude", "fade_s", NULL};
    pp_tone_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iidd:ToneSynthesiser", names, &spec.rate_hz, &spec.outputs,
                                     &spec.max_amplitude, &spec.fade_s)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_tone_create(&spec, reason), tone_destroy, reason);
}

static void tone_dealloc(PyObject *self)
{
    pp_unwrap(self, tone_destroy);
}

static PyObject *tone_play(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"carriers_hz", "amplitude", NULL};
    PyObject *carriers = NULL;
    double amplitude = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Od:play", names, &carriers, &amplitude)) {
        return NULL;
    }
    double carriers_hz[PP_MAX_CARRIERS];
    const Py_ssize_t count = pp_take_carriers(carriers, carriers_hz);
    if (count < 0 || !pp_enter(self)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    const bool accepted = pp_tone_play(pp_core(self), carriers_hz, (size_t)count, amplitude, reason);
    pp_leave(self);
    if (!accepted) {
        PyErr_SetString(PyExc_ValueError, reason);
        return NULL;
    }
    Py_RETURN_NONE;
}

static bool synthesise(pp_tone *core, PyObject *object)
{
    const pp_buffer_wish wish = {"samples", "int32", "i l", 4, 4, 2, {PP_ANY, (Py_ssize_t)pp_tone_outputs(core)}, true};
    Py_buffer samples;
    if (!pp_take(object, &wish, &samples)) {
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_tone_execute(core, samples.buf, (size_t)samples.shape[0]);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&samples);
    return true;
}

static PyObject *tone_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"samples", NULL};
    PyObject *samples = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:process_into", names, &samples) || !pp_enter(self)) {
        return NULL;
    }
    const bool done = synthesise(pp_core(self), samples);
    pp_leave(self);
    if (!done) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *tone_reset(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!pp_enter(self)) {
        return NULL;
    }
    pp_tone_reset(pp_core(self));
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyObject *tone_loudest(PyObject *self, void *closure)
{
    (void)closure;
    if (!pp_enter(self)) {
        return NULL;
    }
    const double loudest = pp_tone_loudest(pp_core(self));
    pp_leave(self);
    return PyFloat_FromDouble(loudest);
}

static PyObject *tone_settled(PyObject *self, void *closure)
{
    (void)closure;
    if (!pp_enter(self)) {
        return NULL;
    }
    const bool settled = pp_tone_settled(pp_core(self));
    pp_leave(self);
    return PyBool_FromLong(settled);
}

PyDoc_STRVAR(tone_reset_doc, "reset($self, /)\n--\n\nSilence at once, as when new.");

static PyMethodDef tone_methods[] = {
    {"play", (PyCFunction)(void (*)(void))tone_play, METH_VARARGS | METH_KEYWORDS, tone_play_doc},
    {"process_into", (PyCFunction)(void (*)(void))tone_process_into, METH_VARARGS | METH_KEYWORDS,
     tone_process_into_doc},
    {"reset", tone_reset, METH_NOARGS, tone_reset_doc},
    {0},
};

static PyGetSetDef tone_properties[] = {
    {"settled", tone_settled, NULL, "True when no fade or glide is under way.", NULL},
    {"loudest", tone_loudest, NULL, "Sum of amplitudes that is not exceeded until something else is asked.", NULL},
    {0},
};

static PyType_Slot tone_slots[] = {
    {Py_tp_new, tone_new},         {Py_tp_dealloc, tone_dealloc},
    {Py_tp_methods, tone_methods}, {Py_tp_getset, tone_properties},
    {Py_tp_doc, (void *)tone_doc}, {0, NULL},
};

PyType_Spec pp_tone_type = {
    .name = "appliance.dsp._core.ToneSynthesiser",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tone_slots,
};
